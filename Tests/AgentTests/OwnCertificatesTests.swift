import Authority
import Foundation
import NIOCore
import TLS
import Testing
import Vocabulary

@testable import Agent

@Suite("Which certificates an agent uses")
struct OwnCertificatesTests {
    private struct Place {
        let folder = try? TemporaryFolder()
        let authority: CertificateAuthority
        let own: OwnCertificates
        let now = Authority.Timestamp.now

        init() throws {
            let folder = try #require(folder)
            authority = try CertificateAuthority.create(
                folder: folder.path + "/ca", cluster: ClusterName("savanna"), now: now - 40 * 86_400)
            var settings = AgentSettings()
            settings.certificatesFolder = folder.path + "/certs"
            settings.dataFolder = folder.path + "/data"
            own = OwnCertificates(settings)
        }

        func issue(_ name: String = "simba", now: Int64, into place: String? = nil) throws -> String {
            let place = place ?? own.folder
            try? FileManager.default.removeItem(atPath: place)
            return try authority.issue(
                role: .node, name: NodeName(name), validity: .seconds(30 * 86_400), now: now, into: place
            ).serial
        }

        func renewed(_ name: String = "simba", now: Int64) throws -> (set: CertificateSet, serial: String) {
            let key = try X509PrivateKey.generate()
            let name = try NodeName(name)
            let signed = try authority.sign(
                X509Request.make(for: key, role: .node, name: name), role: .node, name: name, now: now)
            let set = try CertificateSet(
                key: key, name: signed.entry.name, certificate: signed.certificate, authorities: signed.authorities,
                signers: [try #require(authority.certificate.keyDigest)])
            return (set, signed.entry.serial)
        }

        var current: Credentials { get throws { try own.current(environment: [:]) } }
    }

    @Test("the last renewal counts, also when the operator's is over; a newer one of the operator's counts before it")
    func choice() throws {
        let place = try Place()
        let first = try place.issue(now: place.now - 31 * 86_400)
        // Over, and nothing in its place: said as it is.
        #expect(throws: TLSError.self) { try place.current }
        let (a, b) = (try place.renewed(now: place.now - 86_400), try place.renewed(now: place.now - 86_400))
        try place.own.keep(a.set)
        #expect(try place.current.serial == a.serial && a.serial != first)
        try place.own.keep(b.set)
        #expect(try place.current.serial == b.serial, "of the same second, the one that came later")
        place.own.removeBefore(try place.current)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.own.renewedFolder).count == 1)
        #expect(try place.current.serial == b.serial)
        let byHand = try place.issue(now: place.now)
        #expect(try place.current.serial == byHand)
    }

    @Test("a renewed one counts for the same name only, and only when it can be used")
    func passedOver() throws {
        let place = try Place()
        let first = try place.issue(now: place.now - 10 * 86_400)
        try place.own.keep(try place.renewed("chui", now: place.now).set)
        #expect(try place.current.serial == first)
        let good = try place.renewed(now: place.now - 86_400)
        try place.own.keep(good.set)
        #expect(try place.current.serial == good.serial)
        // Cut in the middle by somebody's hand.
        try place.own.keep(try place.renewed(now: place.now).set)
        let last = try #require(
            try FileManager.default.contentsOfDirectory(atPath: place.own.renewedFolder).sorted().last)
        try FileManager.default.removeItem(atPath: "\(place.own.renewedFolder)/\(last)/key.pem")
        #expect(try place.current.serial == good.serial)
        // What is no renewal is nobody's.
        try FileManager.default.createDirectory(
            atPath: "\(place.own.renewedFolder)/notes", withIntermediateDirectories: false)
        #expect(try place.current.serial == good.serial)
        // The operator takes the node's identity away.
        try FileManager.default.removeItem(atPath: place.own.folder)
        #expect(throws: TLSError.self) { try place.current }
    }

    @Test("a name gets twelve certificates at once, and then one each ten minutes; others are not kept waiting")
    func throttle() throws {
        var throttle = RenewalThrottle()
        let now = NIODeadline.now()
        let cluster = try ClusterName("savanna")
        let names = try ["simba", "chui"].map { CertificateName(cluster: cluster, role: .node, name: try NodeName($0)) }
        var admitted: [Bool] = []
        func ask(_ name: Int, _ minutes: Int64) -> Bool { throttle.admit(names[name], at: now + .minutes(minutes)) }
        for _ in 0..<20 { admitted.append(ask(0, 0)) }
        #expect(admitted.count { $0 } == 12)
        let later = [ask(1, 0), ask(0, 9), ask(0, 10), ask(0, 10)]
        #expect(later == [true, false, true, false])
    }
}
