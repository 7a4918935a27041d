import Testing
import Vocabulary

@testable import Placement

/// The figures here come from a second implementation (exact rational arithmetic, in another language). A change that
/// alters one of them moves every user's data: two agents of one cluster would disagree about who owns what.
@Suite("Every machine agrees to the bit")
struct GoldenTests {
    @Test("−log2 of a fraction, with 48 bits after the point")
    func costs() {
        let golden: [(UInt64, UInt64)] = [
            (0x0, 18_014_398_509_481_984), (0x1, 18_014_398_509_481_984), (0x2, 17_732_923_532_771_328),
            (0x3, 17_568_271_226_504_234), (.max, 1), (.max - 1, 1), (1 << 63, 281_474_976_710_656),
            (1 << 63 - 1, 281_474_976_710_657), (3 << 62, 116_822_670_443_562),
            (0x0123_4567_89ab_cdef, 2_199_383_890_378_941), (0xb504_f333_f9de_6484, 140_737_501_011_133),
        ]
        for (hash, raw) in golden { #expect(Cost(hash: hash).raw == raw, "hash \(hash)") }
    }

    @Test("the cost never falls as the hash falls")
    func monotone() {
        var rng = SeededGenerator(seed: 5)
        for _ in 0..<20_000 {
            let hash = rng.next() >> UInt64.random(in: 0..<64, using: &rng)
            let near = hash == .max ? hash : hash + 1
            let far = hash | rng.next() >> UInt64(hash.leadingZeroBitCount == 64 ? 63 : hash.leadingZeroBitCount)
            #expect(Cost(hash: hash).raw >= Cost(hash: near).raw)
            if far >= hash { #expect(Cost(hash: hash).raw >= Cost(hash: far).raw) }
        }
    }

    @Test("the three nodes of the demo")
    func demo() throws {
        let ring = Ring(try ["mpologoma", "simba", "mkango"].map { Candidate(name: try NodeName($0)) })
        let golden: [(Int, [String])] = [
            (0, ["simba", "mpologoma", "mkango"]), (1, ["mkango", "simba", "mpologoma"]),
            (2, ["mpologoma", "mkango", "simba"]), (77, ["mpologoma", "simba", "mkango"]),
            (1000, ["simba", "mkango", "mpologoma"]), (4096, ["mpologoma", "mkango", "simba"]),
            (8191, ["mpologoma", "mkango", "simba"]), (9999, ["simba", "mkango", "mpologoma"]),
            (12_345, ["mkango", "mpologoma", "simba"]), (16_383, ["mkango", "mpologoma", "simba"]),
        ]
        for (number, names) in golden {
            #expect(ring.ranked(try #require(Slot(number: number))).map(\.text) == names, "slot \(number)")
        }
    }

    @Test("six nodes with weights and zones: three owners, and two with a home")
    func weighted() throws {
        let members: [(String, UInt32, String?)] = [
            ("mpologoma", 1, "kampala"), ("simba", 3, "kampala"), ("mkango", 2, "lilongwe"), ("ndovu", 1, "lilongwe"),
            ("chui", 5, nil), ("twiga", 7, "kampala"),
        ]
        let ring = Ring(try members.map { Candidate(name: try NodeName($0.0), weight: $0.1, zone: $0.2) })
        let golden: [(Int, [String], [String])] = [
            (0, ["chui", "twiga", "ndovu"], ["ndovu", "chui"]), (1, ["mkango", "simba", "chui"], ["ndovu", "simba"]),
            (2, ["mpologoma", "mkango", "chui"], ["ndovu", "mpologoma"]),
            (77, ["twiga", "chui", "mkango"], ["ndovu", "twiga"]),
            (1000, ["simba", "mkango", "chui"], ["ndovu", "simba"]),
            (4096, ["chui", "twiga", "mkango"], ["ndovu", "chui"]),
            (8191, ["chui", "mkango", "simba"], ["ndovu", "chui"]),
            (9999, ["simba", "chui", "mkango"], ["ndovu", "simba"]),
            (12_345, ["mkango", "twiga", "chui"], ["ndovu", "twiga"]),
            (16_383, ["ndovu", "twiga", "chui"], ["ndovu", "twiga"]),
        ]
        let home = try NodeName("ndovu")
        for (number, three, withHome) in golden {
            let slot = try #require(Slot(number: number))
            #expect(ring.owners(of: slot, count: 3).map(\.text) == three, "slot \(number)")
            #expect(ring.owners(of: slot, home: home, count: 2).map(\.text) == withHome, "slot \(number)")
        }
    }
}
