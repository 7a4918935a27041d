import Authority
import Foundation
import NIOCore
import NIOEmbedded
import Testing
import Vocabulary

@testable import TLS

/// What `roost ca` writes is what this module takes: the two ends of one contract in one handshake.
struct IssuedCertificateTests {
    let folder: String
    let authority: CertificateAuthority

    init() throws {
        folder = NSTemporaryDirectory() + "roost-issued-\(UUID().uuidString)"
        authority = try .create(folder: folder + "/ca", cluster: ClusterName("savanna"))
    }

    private func context(_ role: Role, _ name: String) throws -> TLSContext {
        let target = folder + "/\(role.rawValue)-\(name)"
        _ = try authority.issue(role: role, name: NodeName(name), into: target)
        return try TLSContext(credentials: Credentials(folder: target))
    }

    @Test("every role may call a node, and is known by its name; none but a node is called", arguments: Role.allCases)
    func roles(role: Role) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let simba = try context(.node, "simba")
        let caller = try context(role, "amina")
        #expect(caller.credentials.warnings.isEmpty)
        let pair = try EmbeddedPair(client: caller, server: simba, expecting: .node(NodeName("simba")))
        try pair.carry()
        #expect(pair.clientEnd.record.identity?.name.uri == "roost://savanna/node/simba")
        #expect(pair.serverEnd.record.identity?.name.uri == "roost://savanna/\(role.rawValue)/amina")
        #expect(pair.serverEnd.record.identity?.serial == caller.credentials.serial)
        pair.end()

        let back = try EmbeddedPair(client: simba, server: caller)
        try back.carry()
        #expect((back.clientEnd.record.handshakes == 1) == (role == .node))
        if role != .node {
            #expect(
                back.clientEnd.record.tlsErrors
                    == [.refusedPeer(.wrongPurpose, certificate: "roost://savanna/\(role.rawValue)/amina")])
        }
        back.end()
    }

    @Test("another CA of the same cluster makes no member")
    func otherAuthority() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let simba = try context(.node, "simba")
        let other = try CertificateAuthority.create(folder: folder + "/ca2", cluster: ClusterName("savanna"))
        _ = try other.issue(role: .admin, name: NodeName("fisi"), into: folder + "/fisi")
        try FileManager.default.removeItem(atPath: folder + "/fisi/ca.pem")
        try FileManager.default.copyItem(atPath: folder + "/ca/ca.pem", toPath: folder + "/fisi/ca.pem")
        let fisi = try TestAuthority.context(odd: folder + "/fisi", as: "roost://savanna/admin/fisi")
        let pair = try EmbeddedPair(client: fisi, server: simba)
        try pair.carry()
        guard case .refusedPeer(.untrusted, "roost://savanna/admin/fisi")? = pair.serverEnd.record.tlsErrors.first
        else {
            Issue.record("\(pair.serverEnd.record.errors)")
            return
        }
        pair.end()
    }
}
