import Gossip
import Resources
import SWIM
import Vocabulary

/// Values as a cluster has them, for the seeds.
enum Samples {
    static func claims() throws -> [Claim] {
        let tags = TagsDigest(bytes: 0xa0...0xaf)
        func claim(_ name: String, _ status: Status, _ intent: Intent, _ zone: String?, _ accusers: [String]) throws
            -> Claim
        {
            Claim(
                name: try NodeName(name), endpoint: try Endpoint(host: "10.0.0.2", port: 7667),
                epoch: 1_764_000_000_000,
                incarnation: Incarnation(3), status: status, intent: intent,
                metadata: try Metadata(zone: zone ?? "", weight: 100, version: "1.0", tags: zone == nil ? nil : tags),
                accusers: try accusers.map { try NodeName($0) },
                signature: ClaimSignature([UInt8](repeating: 9, count: 68)))
        }
        return [
            try claim("simba", .alive, .serving, nil, []), try claim("mkango", .suspect, .draining, "kraal", ["simba"]),
            try claim("chui", .left, .serving, nil, []), try claim("fisi", .crashed, .serving, nil, ["simba", "chui"]),
            try claim("twiga", .draining, .draining, "kraal", []),
        ]
    }

    static func packets() throws -> [Packet] {
        let from = try NodeName("mpologoma")
        let target = try NodeName("simba")
        let claims = try claims()
        let near = Coordinate(x: 5, y: 4_094, height: 2, error: 10_000)
        return [
            Packet(from: from, message: .ping(SequenceNumber(7), target: target), claims: claims, coordinate: near),
            Packet(
                from: from,
                message: .pingRequest(
                    SequenceNumber(8), target: target, at: try Endpoint(host: "::1", port: 7667),
                    within: .milliseconds(400)),
                claims: [claims[1]]),
            Packet(from: from, message: .ack(SequenceNumber(9)), claims: [claims[4]], coordinate: near),
            Packet(from: from, message: .nack(SequenceNumber(10)), claims: []),
            Packet(from: from, message: .gossip, claims: claims),
        ]
    }

    static func dot(_ node: String, _ counter: UInt64) throws -> Dot {
        Dot(node: try NodeName(node), epoch: 1_764_000_000_000, counter: counter)
    }

    /// Of one name: a first writing, one on top of it, one beside that, and a delete.
    static func versions(of text: String = "herd/2026/zebra.txt") throws -> [Version] {
        let name = try ResourceName(text)
        guard let digest = ContentDigest(bytes: 0..<32) else { throw BrokenLaw("a digest has 32 bytes", "not") }
        let content = Version.Content.blob(digest: digest, size: 4_711, mediaType: "text/plain")
        var seen = CausalContext()
        let first = Version(
            name: name, dot: try dot("simba", 1), context: seen, time: HybridTime(wallMilliseconds: 5, counter: 0),
            content: content, home: nil)
        seen.add(first.dot)
        let second = Version(
            name: name, dot: try dot("chui", 2), context: seen, time: HybridTime(wallMilliseconds: 6, counter: 0),
            content: content, home: try NodeName("simba"))
        let beside = Version(
            name: name, dot: try dot("fisi", 3), context: seen, time: HybridTime(wallMilliseconds: 6, counter: 1),
            content: content, home: nil)
        seen.add(second.dot)
        let gone = Version(
            name: name, dot: try dot("simba", 4), context: seen, time: HybridTime(wallMilliseconds: 7, counter: 0),
            content: .tombstone, home: nil)
        return [first, second, beside, gone]
    }
}
