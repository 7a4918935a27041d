import Testing
import Vocabulary

@Suite("Instant and Duration")
struct InstantTests {
    static let last = Instant(nanoseconds: .max)
    static let first = Instant(nanoseconds: .min)

    @Test("sums and differences are exact inside the range")
    func exact() {
        #expect(Instant.zero + .milliseconds(1500) == Instant(nanoseconds: 1_500_000_000))
        #expect(Instant(nanoseconds: 7) - Instant(nanoseconds: 9) == .nanoseconds(-2))
        #expect(Instant.zero + .seconds(-1) < Instant.zero)
    }

    @Test("sums and differences saturate at the ends of the range")
    func saturating() {
        #expect(Self.last + .nanoseconds(1) == Self.last)
        #expect(Self.first + .nanoseconds(-1) == Self.first)
        #expect(Self.last + .seconds(Int64.max) == Self.last)
        #expect(Self.first + .seconds(Int64.min) == Self.first)
        #expect(Self.last - Self.first == .nanoseconds(Int64.max))
        #expect(Self.first - Self.last == .nanoseconds(Int64.min))
        #expect(Duration.seconds(Int64.max).saturatingNanoseconds == .max)
        #expect(Duration.seconds(Int64.min).saturatingNanoseconds == .min)
        #expect(Duration.nanoseconds(Int64.max).saturatingNanoseconds == .max)
        #expect(Duration.nanoseconds(Int64.min).saturatingNanoseconds == .min)
    }

    @Test("every instant can be shown")
    func shown() {
        #expect(Instant(nanoseconds: 12_034_000_000).description == "12.034s")
        for instant in [Self.first, Self.last, .zero] { #expect(instant.description.hasSuffix("s")) }
    }
}

@Suite("SeededGenerator")
struct SeededGeneratorTests {
    /// The first outputs of SplitMix64 for the seed 1234567, as the public test of its C source prints them.
    @Test("gives SplitMix64's published numbers")
    func published() {
        var rng = SeededGenerator(seed: 1_234_567)
        let numbers = (0..<5).map { _ in rng.next() }
        #expect(
            numbers == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ])
    }
}

@Suite("Slot")
struct SlotTests {
    @Test("slots are numbered 0 to 16,383")
    func numbers() {
        #expect(Slot(number: 0)?.number == 0)
        #expect(Slot(number: 16_383)?.number == 16_383)
        for number in [-1, 16_384, Int.max, Int.min] { #expect(Slot(number: number) == nil) }
        #expect(Slot.all.map { Int($0.number) } == Array(0..<16_384))
    }

    @Test("200,000 similar names spread over the slots as chance would, and each cluster has its own spread")
    func distribution() throws {
        let cluster = try ClusterName("crane")
        let other = try ClusterName("heron")
        var counts = [Int](repeating: 0, count: Slot.count)
        var same = 0
        let names = 200_000
        for index in 0..<names {
            let name = "logs/2024/app-\(index).txt"
            let slot = Slot(ofName: name, in: cluster)
            counts[Int(slot.number)] += 1
            if index < 10_000, Slot(ofName: name, in: other) == slot { same += 1 }
        }
        // Chi-squared with 16,383 degrees of freedom: mean 16,383, standard deviation 181. Six of them is the bound.
        let expected = Double(names) / Double(Slot.count)
        let chi = counts.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
        #expect(abs(chi - 16_383) < 6 * 181)
        #expect(same < 10, "10,000 names would share 0.6 slots by chance")
    }
}
