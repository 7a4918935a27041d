import Foundation
import TLS
import Testing
import Vocabulary

@testable import Authority

@Suite("One CA gives way to another")
struct RotationTests {
    private let now = Timestamp.now

    private func start(_ folder: TemporaryFolder) throws -> (AuthorityOffice, CertificateAuthority) {
        let authority = try CertificateAuthority.create(
            folder: folder("ca"), cluster: ClusterName("savanna"), now: now - 86_400)
        return (AuthorityOffice(folder: folder("ca")), authority)
    }

    private func files(_ folder: TemporaryFolder) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder("ca")).sorted()
    }

    private func behind(_ office: AuthorityOffice) async throws -> [String] {
        try await office.holders().filter { $0.prospect == .behind }.map(\.name.name.text)
    }

    @Test("three steps, each only in its turn; every certificate stands on the ca.pem of the step before and its own")
    func steps() async throws {
        let folder = try TemporaryFolder()
        let (office, old) = try start(folder)
        #expect(try await office.rotation().phase == .none)
        for step in [AuthorityOffice.RotationStep.reissue, .retire, .abandon] {
            #expect(try await !office.rotate(step))
        }
        _ = try old.issue(role: .node, name: NodeName("simba"), into: folder("first"))

        #expect(try await office.rotate(.introduce))
        #expect(try await !office.rotate(.introduce))
        let introduced = try await office.rotation()
        #expect(introduced.phase == .introduced && introduced.authorities.count == 2)
        #expect(introduced.issuing.keyDigest == old.certificate.keyDigest)
        let second = try CertificateAuthority.open(folder: folder("ca"))
        _ = try second.issue(role: .node, name: NodeName("simba"), into: folder("second"))
        #expect(try Credentials(folder: folder("second")).authorityKeys.count == 2)
        #expect(try Credentials(folder: folder("second")).issuerKey == old.certificate.keyDigest)

        #expect(try await office.rotate(.reissue))
        let reissuing = try await office.rotation()
        #expect(reissuing.phase == .reissuing)
        #expect(reissuing.issuing.keyDigest == introduced.other?.keyDigest)
        #expect(reissuing.other?.keyDigest == old.certificate.keyDigest)
        #expect(try await !office.rotate(.abandon), "it signs already")
        _ = try CertificateAuthority.open(folder: folder("ca"))
            .issue(role: .node, name: NodeName("simba"), into: folder("third"))
        #expect(try Credentials(folder: folder("third")).issuerKey == reissuing.issuing.keyDigest)

        #expect(try await office.rotate(.retire))
        let done = try await office.rotation()
        #expect(done.phase == .none && done.authorities.count == 1)
        #expect(done.issuing.keyDigest == reissuing.issuing.keyDigest)
        // Which one has gone is known until nobody trusts it.
        #expect(done.other?.keyDigest == old.certificate.keyDigest)
        #expect(try await office.holders().isEmpty)
        try await office.settled(done.issuing)
        #expect(try await office.rotation().other != nil, "that is another one")
        try await office.settled(old.certificate)
        #expect(try await office.rotation().other == nil)
        #expect(try files(folder) == ["ca.key.pem", "ca.pem", "issued.log"], "no key of the old one is left")
    }

    @Test("taken back before the new one signs, nothing of it is left")
    func abandoned() async throws {
        let folder = try TemporaryFolder()
        let (office, old) = try start(folder)
        #expect(try await office.rotate(.introduce))
        let next = try #require(try await office.rotation().other)
        #expect(try await office.rotate(.abandon))
        let back = try await office.rotation()
        #expect(back.phase == .none && back.other?.keyDigest == next.keyDigest)
        try await office.settled(next)
        #expect(try files(folder) == ["ca.key.pem", "ca.pem", "issued.log"])
        #expect(try CertificateAuthority.open(folder: folder("ca")).certificate.keyDigest == old.certificate.keyDigest)
    }

    /// What each step leaves when it is cut off between two of its files.
    @Test("whatever a power cut leaves is the step before or the step after, and the way goes on")
    func cuts() async throws {
        let folder = try TemporaryFolder()
        let (office, old) = try start(folder)
        let oldKey = try Data(contentsOf: URL(filePath: folder("ca/ca.key.pem")))
        // Introducing: the key is there, ca.pem is as it was.
        let made = try X509PrivateKey.generate().pem()
        try DurableFiles.replace(folder("ca/next.key.pem"), made, mode: 0o600)
        #expect(try await office.rotation().phase == .none)
        #expect(try await office.rotate(.introduce))
        #expect(try [UInt8](Data(contentsOf: URL(filePath: folder("ca/next.key.pem")))) == made, "it is used")
        // Reissuing: the old key has its second name, the new one is not in its place.
        try oldKey.write(to: URL(filePath: folder("ca/previous.key.pem")))
        let between = try await office.rotation()
        #expect(between.phase == .introduced && between.issuing.keyDigest == old.certificate.keyDigest)
        #expect(try await office.rotate(.reissue))
        // Retiring: ca.pem is done, the old key is there still.
        let both = try Data(contentsOf: URL(filePath: folder("ca/previous.key.pem")))
        #expect(try await office.rotate(.retire))
        try both.write(to: URL(filePath: folder("ca/previous.key.pem")))
        #expect(try await office.rotation().phase == .none)
        #expect(try await office.rotate(.introduce))
        #expect(!FileManager.default.fileExists(atPath: folder("ca/previous.key.pem")))
        #expect(!FileManager.default.fileExists(atPath: folder("ca/retired.pem")))
        // Retiring: which one goes is written down, and nothing else is done; and then that is torn, with the rest done.
        #expect(try await office.rotate(.reissue))
        try Data().write(to: URL(filePath: folder("ca/retired.pem")))
        #expect(try await office.rotation().phase == .reissuing)
        #expect(try await office.rotate(.retire))
        try Data("-----BEGIN".utf8).write(to: URL(filePath: folder("ca/retired.pem")))
        let torn = try await office.rotation()
        #expect(torn.phase == .none && torn.other == nil)
        #expect(try await office.rotate(.introduce))
    }

    @Test("users and nodes who would be cut off by the next step are known, until they renew")
    func users() async throws {
        let folder = try TemporaryFolder()
        let (office, old) = try start(folder)
        for (index, name) in ["amina", "juma"].enumerated() {
            _ = try old.issue(
                role: .admin, name: NodeName(name), now: now - 3_600, into: folder("\(name)\(index)"))
        }
        _ = try old.issue(role: .node, name: NodeName("simba"), now: now - 3_600, into: folder("simba"))
        _ = try old.issue(
            role: .reader, name: NodeName("gone"), validity: .seconds(60), now: now - 3_600, into: folder("gone"))
        #expect(try await behind(office).isEmpty)
        // In the second in which the new one came, and before it.
        let moment = Timestamp.now - 60
        _ = try old.issue(role: .client, name: NodeName("zuri"), now: moment, into: folder("zuri"))
        #expect(try await office.rotate(.introduce, now: moment))
        #expect(try await behind(office) == ["amina", "juma", "zuri", "simba"])
        _ = try old.issue(role: .client, name: NodeName("zuri"), now: moment + 1, into: folder("zuri2"))
        func renew(_ name: String) async throws {
            let request = try X509Request.make(for: .generate(), role: .admin, name: NodeName(name))
            let identity = CertificateName(
                cluster: try ClusterName("savanna"), role: .admin, name: try NodeName(name))
            let folder = folder(name == "amina" ? "amina0" : "juma1")
            let present = try X509Certificate(
                pem: [UInt8](Data(contentsOf: URL(filePath: "\(folder)/cert.pem"))))
            _ = try await office.renew(request, of: identity, present: present)
        }
        try await renew("amina")
        #expect(try await behind(office) == ["juma", "simba"])
        #expect(try await office.rotate(.reissue))
        #expect(try await behind(office) == ["amina", "juma", "zuri", "simba"])
        try await renew("juma")
        #expect(try await behind(office) == ["amina", "zuri", "simba"])
        _ = try CertificateAuthority.open(folder: folder("ca"))
            .issue(role: .node, name: NodeName("simba"), into: folder("simba2"))
        let holders = try await office.holders()
        #expect(holders.filter { $0.prospect == .ready }.map(\.name.name.text) == ["juma", "simba"])
        #expect(holders.filter { $0.prospect == .expired }.map(\.name.name.text) == ["gone"])
    }

    @Test("a set that another CA signed is not taken, whatever authorities come with it")
    func strangers() throws {
        let folder = try TemporaryFolder()
        let (_, mine) = try start(folder)
        let other = try CertificateAuthority.create(folder: folder("other"), cluster: ClusterName("savanna"))
        let key = try X509PrivateKey.generate()
        let name = CertificateName(cluster: try ClusterName("savanna"), role: .node, name: try NodeName("simba"))
        let request = try X509Request.make(for: key, role: .node, name: name.name)
        let pin = try #require(mine.certificate.keyDigest)
        func take(_ signed: CertificateAuthority.Signed, _ authorities: [UInt8]) throws -> CertificateSet {
            try CertificateSet(
                key: key, name: name, certificate: signed.certificate, authorities: authorities, signers: [pin])
        }
        let good = try mine.sign(request, role: .node, name: name.name)
        _ = try take(good, good.authorities)
        let bad = try other.sign(request, role: .node, name: name.name)
        // A node that was taken over shows the true CA beside its own.
        for authorities in [bad.authorities, bad.authorities + good.authorities] {
            #expect(throws: AuthorityError.self) { try take(bad, authorities) }
        }
        // The right CA, and somebody else's name or key.
        let others = try mine.sign(request, role: .node, name: NodeName("chui"))
        #expect(throws: AuthorityError.self) { try take(others, others.authorities) }
        let foreign = try mine.sign(
            X509Request.make(for: .generate(), role: .node, name: name.name), role: .node, name: name.name)
        #expect(throws: AuthorityError.self) { try take(foreign, foreign.authorities) }
    }

    @Test("who renews shows a certificate of their own name, of this CA; hosts, addresses and length of life stay")
    func foreignPresent() async throws {
        let folder = try TemporaryFolder()
        let (office, mine) = try start(folder)
        let other = try CertificateAuthority.create(folder: folder("other"), cluster: ClusterName("savanna"))
        let name = try NodeName("simba")
        func issued(_ authority: CertificateAuthority, _ name: NodeName, _ place: String) throws -> X509Certificate {
            _ = try authority.issue(
                role: .node, name: name, ips: ["10.0.0.7", "fd00::7"], dns: ["simba.example.org"],
                validity: .seconds(30 * 86_400), now: now - 86_400, into: folder(place))
            return try X509Certificate(pem: [UInt8](Data(contentsOf: URL(filePath: folder("\(place)/cert.pem")))))
        }
        let own = try issued(mine, name, "own")
        let identity = try CertificateName(uri: try #require(own.uris.first))
        let request = try X509Request.make(for: .generate(), role: .node, name: name)
        let foreign = [try issued(mine, NodeName("chui"), "chui"), try issued(other, name, "foreign")]
        for present in foreign {
            await #expect(throws: AuthorityError.self) {
                try await office.renew(request, of: identity, present: present)
            }
        }
        let renewed = try await office.renew(request, of: identity, present: own)
        let leaf = try X509Certificate(pem: renewed.certificate)
        #expect(Set(leaf.alternatives) == Set(own.alternatives) && leaf.alternatives.count == 4)
        #expect(leaf.notAfter - leaf.notBefore == own.notAfter - own.notBefore)
    }

    @Test("a set is put in the place of another; cut off behind the certificate, the folder is whole all the same")
    func replaced() throws {
        let folder = try TemporaryFolder()
        let (_, authority) = try start(folder)
        _ = try authority.issue(role: .admin, name: NodeName("amina"), into: folder("amina"))
        let before = try Credentials(folder: folder("amina"))
        let key = try X509PrivateKey.generate()
        let signed = try authority.sign(
            X509Request.make(for: key, role: .admin, name: before.name.name), role: .admin, name: before.name.name)
        let set = try CertificateSet(
            key: key, name: before.name, certificate: signed.certificate, authorities: signed.authorities,
            signers: before.authorityKeys)
        try set.replace(in: folder("amina"))
        let after = try Credentials(folder: folder("amina"))
        #expect(after.serial == signed.entry.serial && after.serial != before.serial)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder("amina")).sorted()
                == ["ca.pem", "cert.pem", "key.pem"])
        // The new key has not got its name yet: the old one is still in its place.
        try FileManager.default.moveItem(atPath: folder("amina/key.pem"), toPath: folder("amina/next.key.pem"))
        try Data(X509PrivateKey.generate().pem()).write(to: URL(filePath: folder("amina/key.pem")))
        #expect(try Credentials(folder: folder("amina")).serial == signed.entry.serial)
    }
}
