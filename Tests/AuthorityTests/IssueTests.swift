import Foundation
import TLS
import Testing
import Vocabulary

@testable import Authority

@Suite("What the CA writes")
struct IssueTests {
    let folder: TemporaryFolder
    let authority: CertificateAuthority

    init() throws {
        folder = try TemporaryFolder()
        authority = try .create(folder: folder("ca"), cluster: ClusterName("savanna"))
    }

    @Test("a CA's folder is private and its key has mode 0600")
    func modesOfTheAuthority() throws {
        #expect(try mode(of: folder("ca")) == 0o700)
        #expect(try mode(of: folder("ca/ca.key.pem")) == 0o600)
        #expect(try mode(of: folder("ca/ca.pem")) == 0o644)
        #expect(try mode(of: folder("ca/issued.log")) == 0o600)
        #expect(try names(in: folder("ca")) == ["ca.key.pem", "ca.pem", "issued.log"])
    }

    @Test("a certificate's folder is private and its key has mode 0600")
    func modesOfALeaf() throws {
        _ = try authority.issue(role: .node, name: NodeName("simba"), into: folder("a/b/simba/"))
        #expect(try mode(of: folder("a/b/simba")) == 0o700)
        #expect(try mode(of: folder("a/b/simba/key.pem")) == 0o600)
        #expect(try names(in: folder("a/b/simba")) == ["ca.pem", "cert.pem", "key.pem"])
        #expect(try bytes(of: folder("a/b/simba/ca.pem")) == bytes(of: folder("ca/ca.pem")))
    }

    @Test("openssl sees the CA as one of one cluster that may sign leaves only")
    func extensionsOfTheAuthority() throws {
        let text = try openssl("x509", "-in", folder("ca/ca.pem"), "-noout", "-text").output
        #expect(text.contains("X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0"))
        #expect(text.contains("X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign"))
        #expect(text.contains("Permitted:\n                  URI:savanna\n"))
        #expect(text.contains("X509v3 Subject Key Identifier:"))
        #expect(text.contains("ASN1 OID: prime256v1"))
        #expect(text.contains("Signature Algorithm: ecdsa-with-SHA256"))
        #expect(text.contains("Subject: O = savanna, CN = Roost CA "))
    }

    @Test("openssl sees a node that may serve and call, by its URI, its name and its addresses")
    func extensionsOfANode() throws {
        _ = try authority.issue(
            role: .node, name: NodeName("simba"), ips: ["10.0.0.7", "fd00::7"], dns: ["Simba.Example.org"],
            into: folder("simba"))
        let text = try openssl("x509", "-in", folder("simba/cert.pem"), "-noout", "-text").output
        #expect(text.contains("X509v3 Basic Constraints: critical\n                CA:FALSE"))
        #expect(text.contains("X509v3 Key Usage: critical\n                Digital Signature\n"))
        #expect(text.contains("TLS Web Server Authentication, TLS Web Client Authentication"))
        #expect(
            text.contains(
                "URI:roost://savanna/node/simba, DNS:simba, DNS:simba.example.org, IP Address:10.0.0.7, "
                    + "IP Address:FD00:0:0:0:0:0:0:7\n"))
        #expect(text.contains("X509v3 Authority Key Identifier:"))
        #expect(text.contains("Version: 3 (0x2)"))
    }

    @Test("other roles can only call, and carry the URI and nothing else", arguments: [Role.client, .reader, .admin])
    func extensionsOfOthers(role: Role) throws {
        _ = try authority.issue(role: role, name: NodeName("amina"), into: folder("amina"))
        let text = try openssl("x509", "-in", folder("amina/cert.pem"), "-noout", "-text").output
        #expect(text.contains("Extended Key Usage: \n                TLS Web Client Authentication\n"))
        #expect(text.contains("Alternative Name: \n                URI:roost://savanna/\(role.rawValue)/amina\n"))
        let served = try openssl(
            "verify", "-CAfile", folder("ca/ca.pem"), "-purpose", "sslserver", folder("amina/cert.pem"))
        #expect(served.status != 0, "\(served.output)")
        #expect(throws: AuthorityError.addressesNeedNode(role: role)) {
            try authority.issue(role: role, name: NodeName("x"), dns: ["x.org"], into: folder("x"))
        }
    }

    @Test("openssl verify accepts every role, strictly", arguments: Role.allCases)
    func verifies(role: Role) throws {
        let issued = try authority.issue(role: role, name: NodeName("simba"), into: folder("simba"))
        let ran = try openssl(
            "verify", "-x509_strict", "-CAfile", folder("ca/ca.pem"), "-purpose", "sslclient",
            folder("simba/cert.pem"))
        #expect(ran.status == 0, "\(ran.output)")
        let certificate = try X509Certificate(pem: bytes(of: folder("simba/cert.pem")))
        let key = try X509PrivateKey(pem: bytes(of: folder("simba/key.pem")))
        #expect(certificate.matches(key))
        #expect(certificate.uris == ["roost://savanna/\(role.rawValue)/simba"])
        #expect(certificate.serial == issued.serial)
        #expect(certificate.issuer == authority.certificate.subject)
        #expect(!certificate.isAuthority)
    }

    @Test("the key of this CA can not make a certificate for another cluster that passes verification")
    func boundToItsCluster() throws {
        // Given the CA's key in the wrong hands: the template for another cluster, signed all the same.
        let signer = try X509PrivateKey(pem: bytes(of: folder("ca/ca.key.pem")))
        for (cluster, accepted) in [("savanna", true), ("serengeti", false), ("savanna2", false)] {
            let key = try X509PrivateKey.generate()
            let name = try CertificateName(cluster: ClusterName(cluster), role: .node, name: NodeName("simba"))
            let leaf = try X509Template.leaf(name, [.dns("simba")]).sign(
                for: key, by: (authority.certificate, signer), notBefore: Timestamp.now - 1,
                notAfter: Timestamp.now + 600)
            try write(leaf.pem(), to: folder("leaf.pem"))
            let ran = try openssl("verify", "-CAfile", folder("ca/ca.pem"), folder("leaf.pem"))
            #expect((ran.status == 0) == accepted, "\(cluster): \(ran.output)")
            if !accepted { #expect(ran.output.contains("permitted subtree violation")) }
        }
    }

    @Test("a leaf can not sign another certificate")
    func leavesDoNotIssue() throws {
        _ = try authority.issue(role: .node, name: NodeName("simba"), into: folder("simba"))
        let simba = try X509Certificate(pem: bytes(of: folder("simba/cert.pem")))
        let key = try X509PrivateKey(pem: bytes(of: folder("simba/key.pem")))
        let forged = try X509Template.leaf(CertificateName(uri: "roost://savanna/admin/simba"), [])
            .sign(for: .generate(), by: (simba, key), notBefore: Timestamp.now - 1, notAfter: Timestamp.now + 600)
        try write(forged.pem(), to: folder("forged.pem"))
        let ran = try openssl(
            "verify", "-CAfile", folder("ca/ca.pem"), "-untrusted", folder("simba/cert.pem"), folder("forged.pem"))
        #expect(ran.status != 0)
    }

    @Test("a certificate begins five minutes ago and ends when its days are over")
    func validity() throws {
        let now: Int64 = 1_800_000_000
        let issued = try authority.issue(
            role: .node, name: NodeName("simba"), validity: .seconds(2 * 86_400), now: now, into: folder("simba"))
        #expect(issued.notBefore == now - 300)
        #expect(issued.notAfter == now + 2 * 86_400)
        let certificate = try X509Certificate(pem: bytes(of: folder("simba/cert.pem")))
        #expect(certificate.notBefore == issued.notBefore)
        #expect(certificate.notAfter == issued.notAfter)
        let byDefault = try authority.issue(role: .node, name: NodeName("nala"), now: now, into: folder("nala"))
        #expect(byDefault.notAfter == now + 365 * 86_400)
        #expect(Timestamp.text(now) == "2027-01-15T08:00:00Z")
    }

    @Test("a clock of long ago makes certificates that have expired, of tomorrow ones that are not yet valid")
    func clocks() throws {
        _ = try authority.issue(
            role: .node, name: NodeName("old"), now: Timestamp.now - 800 * 86_400, into: folder("old"))
        let old = try openssl("verify", "-CAfile", folder("ca/ca.pem"), folder("old/cert.pem"))
        #expect(old.status != 0)
        #expect(old.output.contains("certificate has expired"))
        _ = try authority.issue(role: .node, name: NodeName("new"), now: Timestamp.now + 86_400, into: folder("new"))
        let new = try openssl("verify", "-CAfile", folder("ca/ca.pem"), folder("new/cert.pem"))
        #expect(new.output.contains("certificate is not yet valid"))
    }

    @Test("a certificate ends no later than its CA, and an expired CA issues none")
    func endOfTheAuthority() throws {
        let short = try CertificateAuthority.create(
            folder: folder("short"), cluster: ClusterName("savanna"), validity: .seconds(86_400))
        let issued = try short.issue(role: .client, name: NodeName("amina"), into: folder("amina"))
        #expect(issued.notAfter == short.certificate.notAfter)
        let past = try CertificateAuthority.create(
            folder: folder("past"), cluster: ClusterName("savanna"), validity: .seconds(86_400),
            now: Timestamp.now - 2 * 86_400)
        #expect(throws: AuthorityError.expired(path: folder("past"), notAfter: past.certificate.notAfter)) {
            try past.issue(role: .client, name: NodeName("amina"), into: folder("none"))
        }
        #expect(!FileManager.default.fileExists(atPath: folder("none")))
    }

    @Test("the log names what was issued, in order, in JSON lines")
    func log() throws {
        let first = try authority.issue(role: .node, name: NodeName("simba"), into: folder("1"))
        let second = try authority.issue(role: .reader, name: NodeName("amina"), into: folder("2"))
        #expect(try authority.issued() == [first, second])
        let lines = String(decoding: try bytes(of: folder("ca/issued.log")), as: UTF8.self).split(separator: "\n")
        #expect(lines.count == 2)
        let line = try #require(
            JSONSerialization.jsonObject(with: Data(lines[1].utf8)) as? [String: String])
        #expect(line["name"] == "amina")
        #expect(line["role"] == "reader")
        #expect(line["serial"] == second.serial)
        #expect(line["not_after"] == Timestamp.text(second.notAfter))
    }

    @Test("a line that a power cut tore is passed over, and the next is whole")
    func tornLog() throws {
        let first = try authority.issue(role: .node, name: NodeName("simba"), into: folder("1"))
        try write(bytes(of: folder("ca/issued.log")) + Array(#"{"name":"nal"#.utf8), to: folder("ca/issued.log"))
        let second = try authority.issue(role: .reader, name: NodeName("amina"), into: folder("2"))
        #expect(try authority.issued() == [first, second])
    }

    @Test("issuing from many threads at once gives each its own serial and one line in the log")
    func concurrent() async throws {
        let authority = authority
        let folder = folder
        let serials = try await withThrowingTaskGroup(of: String.self) { group in
            for index in 0..<16 {
                group.addTask {
                    // Each opens the CA anew, as one process each would.
                    try CertificateAuthority.open(folder: authority.folder)
                        .issue(role: .client, name: NodeName("c\(index)"), into: folder("c\(index)")).serial
                }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(serials.count == 16)
        #expect(Set(try authority.issued().map(\.serial)) == serials)
        #expect(try authority.issued().count == 16)
    }

    @Test("of several that issue into one folder one wins, and its three files belong together")
    func oneFolder() async throws {
        let authority = authority
        let folder = folder
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<8 {
                group.addTask {
                    (try? authority.issue(role: .client, name: NodeName("c\(index)"), into: folder("same"))) != nil
                }
            }
            return await group.reduce(into: [Bool]()) { $0.append($1) }
        }
        #expect(outcomes.filter { $0 }.count == 1)
        let certificate = try X509Certificate(pem: bytes(of: folder("same/cert.pem")))
        #expect(certificate.matches(try X509PrivateKey(pem: bytes(of: folder("same/key.pem")))))
        #expect(try authority.issued().map(\.serial) == [certificate.serial])
    }
}
