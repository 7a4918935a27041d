import Foundation
import Resources
import Testing
import Vocabulary

@Suite("HybridClock")
struct HybridClockTests {
    @Test("it grows at every tick, also when the wall clock stands still or goes back an hour")
    func grows() {
        var clock = HybridClock()
        var rng = SeededGenerator(seed: 3)
        var wall: Int64 = 1_700_000_000_000
        var last = clock.latest
        var stuck = 0
        for _ in 0..<100_000 {
            wall += Int64.random(in: -3_600_000...3_600_000, using: &rng)
            let time = clock.tick(wallMilliseconds: UInt64(max(0, wall)))
            stuck += time > last ? 0 : 1
            last = time
        }
        #expect(stuck == 0)
    }

    @Test("after a time seen from elsewhere the next is greater")
    func observes() {
        var clock = HybridClock()
        let ahead = HybridTime(wallMilliseconds: 9_000_000, counter: 0xFFFF)
        clock.observe(ahead)
        #expect(clock.tick(wallMilliseconds: 5) > ahead, "the counter carries into the milliseconds")
        #expect(clock.latest.wallMilliseconds == 9_000_001)
        clock.observe(HybridTime(wallMilliseconds: 1, counter: 0))
        #expect(clock.latest.wallMilliseconds == 9_000_001)
    }

    @Test("an absurd time from elsewhere stops the clock at the end of its range; it never goes back")
    func absurd() {
        var clock = HybridClock()
        clock.observe(HybridTime(raw: .max))
        #expect(clock.tick(wallMilliseconds: 5) == HybridTime(raw: .max))
        #expect(HybridTime(wallMilliseconds: .max, counter: 3).wallMilliseconds == 0xFFFF_FFFF_FFFF)
    }
}

@Suite("CausalContext")
struct CausalContextTests {
    @Test("it is bounded: past the bound the oldest boot that a later one follows is forgotten first")
    func bound() throws {
        var context = CausalContext()
        let steady = Dot(node: try NodeName("steady"), epoch: 1, counter: 9)
        context.add(steady)
        let flapping = try NodeName("flapping")
        for epoch in 10...UInt64(100) { context.add(Dot(node: flapping, epoch: epoch, counter: 1)) }
        #expect(context.dots.count == CausalContext.dotCountMax)
        #expect(context.covers(steady), "the node that never restarted keeps its place")
        #expect(context.covers(Dot(node: flapping, epoch: 100, counter: 1)))
        #expect(!context.covers(Dot(node: flapping, epoch: 10, counter: 1)))
        #expect(context.dots == context.dots.sorted())
    }

    @Test("the order of additions does not matter and a greater counter covers the smaller")
    func order() throws {
        var rng = SeededGenerator(seed: 8)
        let dots = try (0..<30).map { index in
            Dot(node: try NodeName("n\(index % 3)"), epoch: UInt64(index % 4), counter: UInt64(index))
        }
        var first = CausalContext()
        for dot in dots { first.add(dot) }
        for _ in 0..<20 {
            var other = CausalContext()
            for dot in dots.shuffled(using: &rng) { other.add(dot) }
            #expect(other == first)
        }
        for dot in dots { #expect(first.covers(dot)) }
        #expect(!first.covers(Dot(node: try NodeName("n0"), epoch: 0, counter: 1000)))
        #expect(!first.covers(Dot(node: try NodeName("n9"), epoch: 0, counter: 1)))
    }
}

@Suite("Dot and SetDigest as text")
struct TextTests {
    @Test("what is shown is read again, and nothing else is")
    func roundTrip() throws {
        let dot = Dot(node: try NodeName("simba"), epoch: .max, counter: 0)
        #expect(Dot(dot.description) == dot)
        let refused = [
            "", "simba", "simba.1", "simba.1.2.3", "simba..1", "Simba.1.2", "simba.+1.2", "simba.1.-2", "simba.01.2",
            "simba.A.2", "simba.3w5e11264sgsg.0", "simba.1.é",
        ]
        for text in refused { #expect(Dot(text) == nil, "\(text)") }
        let digest = SetDigest(high: 1, low: .max)
        #expect(SetDigest(digest.description) == digest)
        for text in ["", "0", String(repeating: "g", count: 32), "+" + String(repeating: "0", count: 31)] {
            #expect(SetDigest(text) == nil, "\(text)")
        }
    }

    @Test("set digests add and subtract with carry")
    func carry() {
        let one = SetDigest(high: 0, low: .max) + SetDigest(high: 0, low: 1)
        #expect(one == SetDigest(high: 1, low: 0))
        #expect(one - SetDigest(high: 0, low: 1) == SetDigest(high: 0, low: .max))
        #expect(SetDigest.empty - SetDigest(high: 0, low: 1) == SetDigest(high: .max, low: .max))
    }
}

@Suite("ResourceName")
struct ResourceNameTests {
    @Test(
        "names of 1-512 bytes with parts are allowed",
        arguments: ["a", "a/b", "a b", ".a", "a.", "...", "é", "日本/語.txt", "-", "%2e%2e"])
    func allowed(text: String) throws {
        #expect(try ResourceName(text).text == text)
    }

    @Test(
        "empty parts, dots, control characters and over-long names are refused, also behind a combining mark",
        arguments: [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a\u{0}b", "a\nb", "a\r\nb", "\u{7F}",
            "\u{85}", "../\u{301}x", "a/../\u{301}x", "a//\u{301}", "./\u{301}", String(repeating: "é", count: 257),
        ])
    func refused(text: String) {
        #expect(throws: ResourceNameError.self) { try ResourceName(text) }
    }

    @Test("512 bytes are allowed, 513 are not")
    func bound() throws {
        #expect(throws: Never.self) { try ResourceName(String(repeating: "x", count: 512)) }
        #expect(throws: ResourceNameError.tooLong(bytes: 513)) { try ResourceName(String(repeating: "x", count: 513)) }
    }

    @Test("canonically equal spellings stay two names")
    func spelling() throws {
        let composed = try ResourceName("\u{E9}")
        let decomposed = try ResourceName("e\u{301}")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        #expect(decomposed < composed)
    }
}

@Suite("A version's content as JSON")
struct ContentTests {
    private static let hex = String(repeating: "0a", count: 32)

    @Test("it comes back as it was, in the form that earlier agents write")
    func form() throws {
        let digest = try #require(ContentDigest(hex: Self.hex))
        let blob = Version.Content.blob(digest: digest, size: 5, mediaType: "text/plain")
        for (content, text) in [
            (blob, #"{"blob":{"digest":"\#(Self.hex)","mediaType":"text\/plain","size":5}}"#),
            (.tombstone, #"{"tombstone":{}}"#),
        ] {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            #expect(String(decoding: try encoder.encode(content), as: UTF8.self) == text)
            #expect(try JSONDecoder().decode(Version.Content.self, from: Data(text.utf8)) == content)
        }
    }

    @Test(
        "a media type that no catalogue gives back as it was is refused, and so is content of two kinds or none",
        arguments: [
            #"{"blob":{"digest":"\#(hex)","mediaType":"a\u0000b","size":5}}"#,
            #"{"blob":{"digest":"\#(hex)","mediaType":"\u007f","size":5}}"#,
            #"{"blob":{"digest":"\#(hex)","mediaType":"\#(String(repeating: "a", count: 129))","size":5}}"#,
            #"{"blob":{"digest":"\#(hex)","mediaType":"a","size":5},"tombstone":{}}"#, "{}", #"{"other":{}}"#,
        ])
    func refused(text: String) {
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(Version.Content.self, from: Data(text.utf8))
        }
    }
}
