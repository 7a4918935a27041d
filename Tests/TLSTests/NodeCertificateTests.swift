import Foundation
import Testing
import Vocabulary

@testable import TLS

/// Signatures beyond any connection: what a node said, judged by its certificate wherever it arrives.
struct NodeCertificateTests {
    let authority: TestAuthority
    let simba: Credentials

    init() throws {
        authority = try TestAuthority()
        simba = try Credentials(folder: authority.issue(["roost://pride/node/simba"]))
    }

    private func credentials(_ uri: String, key: [String]) throws -> Credentials {
        try Credentials(folder: authority.issue([uri], key: key))
    }

    @Test(
        "the holder's signature verifies, and nothing else does",
        arguments: zip(
            [
                ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
                ["ed25519"],
            ], [64, 96, 64]))
    func roundTrip(key: [String], count: Int) throws {
        let own = try credentials("roost://pride/node/mkango", key: key)
        let certificate = try NodeCertificate(chain: own.chain, trusting: simba)
        #expect(certificate.name.text == "mkango")
        #expect(certificate.id == own.certificateID)
        let text = Array("a statement".utf8)
        for _ in 0..<50 {
            // A short r or s has leading zeros, and is as long as any other.
            let signature = try own.sign(text)
            #expect(signature.count == count)
            #expect(certificate.verifies(signature, of: text))
        }
        let signature = try own.sign(text)
        #expect(!certificate.verifies(signature, of: Array("a statemenu".utf8)))
        for index in signature.indices {
            var bent = signature
            bent[index] ^= 1
            #expect(!certificate.verifies(bent, of: text))
        }
        for odd in [[], [UInt8](repeating: 0, count: count), [UInt8](repeating: 255, count: count), signature + [0]] {
            #expect(!certificate.verifies(odd, of: text))
        }
        #expect(!certificate.verifies(try simba.sign(text), of: text))
    }

    @Test("a key whose signatures fit no datagram signs nothing, and its certificate verifies nothing")
    func otherKinds() throws {
        for key in [["rsa:2048"], ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"]] {
            let own = try credentials("roost://pride/node/mkango", key: key)
            #expect(throws: TLSError.self) { _ = try own.sign([1]) }
            #expect(throws: CertificateFault.self) { _ = try NodeCertificate(chain: own.chain, trusting: simba) }
        }
    }

    @Test("only a node of this cluster, of this CA, in its time, has a certificate that counts")
    func refusals() throws {
        func fault(_ folder: String, as uri: String) throws -> CertificateFault? {
            let odd = try Credentials(unverified: folder, as: CertificateName(uri: uri))
            do {
                _ = try NodeCertificate(chain: odd.chain, trusting: simba)
                return nil
            } catch { return error }
        }
        let node = "roost://pride/node/odd"
        let other = try TestAuthority(commonName: "other")
        guard case .expired? = try fault(authority.issue([node], from: -7_200, until: -3_600), as: node),
            case .notYetValid? = try fault(authority.issue([node], from: 3_600, until: 7_200), as: node),
            case .untrusted? = try fault(other.issue([node]), as: node),
            case .wrongRole? = try fault(authority.issue(["roost://pride/admin/odd"]), as: node),
            case .wrongCluster? = try fault(authority.issue(["roost://clan/node/odd"]), as: node),
            case .wrongPurpose? = try fault(authority.issue([node], usage: "clientAuth"), as: node)
        else {
            Issue.record("one of them was taken, or refused for another reason")
            return
        }
    }

    @Test("what is handed over beside a true certificate neither ends it sooner nor is kept")
    func padded() throws {
        let own = try credentials("roost://pride/node/mkango", key: ["ed25519"])
        let brief = try Credentials(folder: authority.issue(["roost://pride/node/rogue"], until: 60))
        let other = try TestAuthority(commonName: "other")
        let stranger = try Credentials(folder: other.issue(["roost://pride/node/rogue"]))
        let plain = try NodeCertificate(chain: own.chain, trusting: simba)
        for more in [brief.chain, stranger.chain, own.chain, brief.chain + stranger.chain] {
            let padded = try NodeCertificate(chain: own.chain + more, trusting: simba)
            #expect(padded.notAfter == plain.notAfter)
            #expect(padded.chain == own.chain)
        }
    }

    @Test("bytes that are no chain are refused")
    func malformed() throws {
        let leaf = try #require(simba.chain.first)
        let chains: [[[UInt8]]] = [
            [], [[]], [[0x30]], [Array(leaf.dropLast())], [leaf + [0]], [leaf, [1, 2, 3]],
            [[UInt8]](repeating: leaf, count: NodeCertificate.chainCountMax + 1),
            [[UInt8](repeating: 0x30, count: NodeCertificate.chainBytesMax + 1)],
        ]
        for chain in chains {
            #expect(throws: CertificateFault.self) { _ = try NodeCertificate(chain: chain, trusting: simba) }
        }
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<500 {
            var bent = leaf
            bent[Int.random(in: bent.indices, using: &generator)] ^= UInt8.random(in: 1...255, using: &generator)
            #expect(throws: CertificateFault.self) { _ = try NodeCertificate(chain: [bent], trusting: simba) }
        }
    }
}
