import Gossip
import SWIM
import Testing
import Vocabulary

@Suite struct ClaimStatementTests {
    private let cluster: ClusterName
    private let simba: Claim

    init() throws {
        cluster = try ClusterName("savanna")
        simba = try Self.claim()
    }

    private static func claim(
        name: String = "simba", host: String = "10.0.0.2", port: UInt16 = 7667, epoch: UInt64 = 258,
        incarnation: UInt32 = 3, status: Status = .alive, intent: Intent = .serving, zone: String? = "k",
        weight: UInt32 = 2, version: String = "1", tags: ClosedRange<UInt8>? = nil, accuser: String? = nil
    ) throws -> Claim {
        Claim(
            name: try NodeName(name), endpoint: try Endpoint(host: host, port: port), epoch: epoch,
            incarnation: Incarnation(incarnation), status: status, intent: intent,
            metadata: try Metadata(
                zone: zone, weight: weight, version: version, tags: tags.flatMap { TagsDigest(bytes: $0) }),
            accusers: try accuser.map { [try NodeName($0)] } ?? [])
    }

    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test("what is signed, as bytes, for a second implementation to compare")
    func goldenBytes() {
        #expect(
            hex(ClaimStatement.text(of: simba, in: cluster))
                == "0d726f6f737420636c61696d2031" + "07736176616e6e61" + "0573696d6261" + "0000000000000102"
                + "00000003" + "01" + "0831302e302e302e32" + "1df3" + "016b" + "00000002" + "0131")
    }

    @Test("with tags, the digest of them ends what is signed, and the state says that it does")
    func goldenBytesWithTags() throws {
        let plain = hex(ClaimStatement.text(of: simba, in: cluster))
        let tagged = hex(ClaimStatement.text(of: try Self.claim(tags: 0xa0...0xaf), in: cluster))
        #expect(
            tagged
                == plain.replacing("0000000301" + "08", with: "0000000381" + "08")
                + "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf")
    }

    @Test("no field of a statement can change without changing what is signed")
    func everyField() throws {
        let texts = [
            ClaimStatement.text(of: simba, in: cluster),
            ClaimStatement.text(of: simba, in: try ClusterName("desert")),
            ClaimStatement.text(of: try Self.claim(name: "simbb"), in: cluster),
            ClaimStatement.text(of: try Self.claim(host: "10.0.0.3"), in: cluster),
            ClaimStatement.text(of: try Self.claim(port: 7668), in: cluster),
            ClaimStatement.text(of: try Self.claim(epoch: 259), in: cluster),
            ClaimStatement.text(of: try Self.claim(incarnation: 4), in: cluster),
            ClaimStatement.text(of: try Self.claim(status: .draining), in: cluster),
            ClaimStatement.text(of: try Self.claim(status: .restarting), in: cluster),
            ClaimStatement.text(of: try Self.claim(status: .left), in: cluster),
            ClaimStatement.text(of: try Self.claim(status: .left, intent: .draining), in: cluster),
            ClaimStatement.text(of: try Self.claim(zone: nil), in: cluster),
            ClaimStatement.text(of: try Self.claim(weight: 3), in: cluster),
            ClaimStatement.text(of: try Self.claim(version: "2"), in: cluster),
            ClaimStatement.text(of: try Self.claim(tags: 0...15), in: cluster),
            ClaimStatement.text(of: try Self.claim(tags: 1...16), in: cluster),
        ]
        #expect(Set(texts).count == texts.count)
    }

    @Test("an accusation leaves the statement and its signature as they were; it makes no farewell of it")
    func accusation() throws {
        for status in [Status.suspect, .crashed, .left] {
            let accused = try Self.claim(status: status, accuser: "mkango")
            #expect(accused.statement == simba)
            #expect(ClaimStatement.text(of: accused, in: cluster) == ClaimStatement.text(of: simba, in: cluster))
        }
        let draining = try Self.claim(status: .suspect, intent: .draining, accuser: "mkango")
        #expect(draining.statement.status == .draining)
        #expect(try Self.claim(status: .left).statement.status == .left)
    }

    @Test("a signature names its certificate, and none is longer than a claim may carry")
    func parts() throws {
        let signature = try #require(ClaimStatement.signature(certificate: 0x0102_0304, raw: [9, 8]))
        #expect(signature.bytes == [1, 2, 3, 4, 9, 8])
        let parts = try #require(ClaimStatement.parts(of: signature))
        #expect(parts.certificate == 0x0102_0304 && parts.raw == [9, 8])
        #expect(ClaimStatement.signature(certificate: 1, raw: [UInt8](repeating: 0, count: 97)) == nil)
        let short = try #require(ClaimSignature([1, 2, 3, 4]))
        #expect(ClaimStatement.parts(of: short) == nil)
    }
}
