import Testing
import Vocabulary

@testable import Node

@Suite("Members that come and go")
struct FlapsTests {
    private let simba: NodeName

    init() throws { simba = try NodeName("simba") }

    /// What is waited for after each crash of a row.
    private func delays(
        every pause: Duration, _ count: Int, delay: Duration = .seconds(30), limit: Duration = .seconds(600)
    ) -> [Duration?] {
        var flaps = Flaps()
        return (0..<count).map { number in
            flaps.crashed(simba, at: .zero + pause * number, delay: delay, limit: limit)
            return flaps.delay(of: simba)
        }
    }

    @Test("each crash soon after another one doubles the delay, up to the limit")
    func doubling() {
        #expect(
            delays(every: .seconds(30), 8)
                == [30, 60, 120, 240, 480, 600, 600, 600].map { Duration.seconds($0) })
    }

    @Test("crashes that are far apart are each the first")
    func rare() { #expect(delays(every: .seconds(3600), 4) == [Duration](repeating: .seconds(30), count: 4)) }

    @Test("ten minutes without a crash forget one, also after very many")
    func decaying() {
        var flaps = Flaps()
        for number in 0..<1000 {
            flaps.crashed(simba, at: .zero + .seconds(number), delay: .seconds(30), limit: .seconds(600))
        }
        let last = Instant.zero + .seconds(999)
        flaps.crashed(simba, at: last + .seconds(1210), delay: .seconds(30), limit: .seconds(600))
        #expect(flaps.delay(of: simba) == .seconds(480))
        flaps.crashed(simba, at: last + .seconds(1210 + 6000), delay: .seconds(30), limit: .seconds(600))
        #expect(flaps.delay(of: simba) == .seconds(30))
    }

    @Test("a delay of nothing stays nothing, and one above the limit is what it is")
    func odd() {
        #expect(delays(every: .seconds(1), 3, delay: .zero) == [.zero, .zero, .zero])
        #expect(
            delays(every: .seconds(1), 3, delay: .seconds(900)) == [Duration](repeating: .seconds(900), count: 3))
    }

    @Test("who is no member has no record")
    func forgotten() {
        var flaps = Flaps()
        flaps.crashed(simba, at: .zero, delay: .seconds(30), limit: .seconds(600))
        flaps.keep { $0 != simba }
        #expect(flaps.delay(of: simba) == nil)
    }
}
