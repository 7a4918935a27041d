import Foundation
import TLS
import Testing
import Vocabulary

@testable import Authority

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite("A CA of one's own, by certs/openssl.cnf")
struct OwnAuthorityTests {
    let folder: TemporaryFolder
    let recipe: Ran

    /// Runs the commands of certs/README.md as they stand there.
    init() throws {
        folder = try TemporaryFolder()
        let text = String(decoding: try bytes(of: "\(checkout)/certs/README.md"), as: UTF8.self)
        let blocks = text.components(separatedBy: "```sh\n").dropFirst()
            .compactMap { $0.components(separatedBy: "```").first }
        let script = try #require(blocks.first { $0.contains("openssl req -x509") })
        try write(bytes(of: "\(checkout)/certs/openssl.cnf"), to: folder("openssl.cnf"))
        recipe = try run(["sh", "-e", "-c", script], in: folder.path)
    }

    @Test("every command of the recipe succeeds, and strict verification accepts both certificates")
    func recipeRuns() throws {
        #expect(recipe.status == 0, "\(recipe.output)")
        #expect(recipe.output.contains("simba/cert.pem: OK"))
        #expect(recipe.output.contains("amina/cert.pem: OK"))
        #expect(try names(in: folder("simba")) == ["ca.pem", "cert.pem", "key.pem"])
        #expect(try mode(of: folder("simba/key.pem")) == 0o600)
        #expect(try mode(of: folder("ca/ca.key.pem")) == 0o600)
    }

    @Test("its certificates say the same as those of `roost ca`, extension by extension")
    func sameExtensions() throws {
        let ours = try CertificateAuthority.create(folder: folder("ours"), cluster: ClusterName("savanna"))
        _ = try ours.issue(role: .node, name: NodeName("simba"), into: folder("ours/simba"))
        _ = try ours.issue(role: .admin, name: NodeName("amina"), into: folder("ours/amina"))
        #expect(try extensions(of: "ca/ca.pem") == extensions(of: "ours/ca.pem"))
        #expect(try extensions(of: "simba/cert.pem") == extensions(of: "ours/simba/cert.pem"))
        #expect(try extensions(of: "amina/cert.pem") == extensions(of: "ours/amina/cert.pem"))
        #expect(try extensions(of: "simba/cert.pem").contains("URI:roost://savanna/node/simba"))
    }

    @Test("each section makes its role", arguments: Role.allCases)
    func roles(role: Role) throws {
        try openssl(
            "req", "-new", "-config", "openssl.cnf", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc",
            "-keyout", "k.pem", "-out", "r.pem", in: folder.path
        ).succeeded()
        try openssl(
            "x509", "-req", "-in", "r.pem", "-CA", "ca/ca.pem", "-CAkey", "ca/ca.key.pem", "-days", "1", "-extfile",
            "openssl.cnf", "-extensions", role.rawValue, "-out", "c.pem", environment: ["NAME": "nala"],
            in: folder.path
        ).succeeded()
        let certificate = try X509Certificate(pem: bytes(of: folder("c.pem")))
        #expect(certificate.uris == ["roost://savanna/\(role.rawValue)/nala"])
        let server = try openssl("verify", "-CAfile", "ca/ca.pem", "-purpose", "sslserver", "c.pem", in: folder.path)
        #expect((server.status == 0) == (role == .node), "\(server.output)")
    }

    @Test("`roost ca issue` takes the CA over")
    func takenOver() throws {
        let authority = try CertificateAuthority.open(folder: folder("ca"))
        #expect(try authority.cluster == ClusterName("savanna"))
        let issued = try authority.issue(role: .reader, name: NodeName("juma"), into: folder("juma"))
        #expect(try authority.issued() == [issued])
        try openssl("verify", "-x509_strict", "-CAfile", "ca/ca.pem", "juma/cert.pem", in: folder.path).succeeded()
    }

    @Test("a CA without the constraint to one cluster is refused, with the cause")
    func unconstrained() throws {
        mkdir(folder("bare"), 0o700)
        try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj", "/CN=bare",
            "-keyout", "bare/ca.key.pem", "-out", "bare/ca.pem", in: folder.path
        ).succeeded()
        chmod(folder("bare/ca.key.pem"), 0o600)
        let error = #expect(throws: AuthorityError.self) { try CertificateAuthority.open(folder: folder("bare")) }
        #expect(error?.description.contains("exactly one cluster") == true, "\(String(describing: error))")
    }

    /// What `openssl` prints of the extensions, without the key identifiers, which differ from key to key.
    private func extensions(of path: String) throws -> String {
        let ran = try openssl(
            "x509", "-in", path, "-noout", "-ext",
            "basicConstraints,keyUsage,extendedKeyUsage,subjectAltName,nameConstraints,subjectKeyIdentifier,"
                + "authorityKeyIdentifier", in: folder.path)
        return ran.output.split(separator: "\n")
            // "AB:CD:…", with or without the "keyid:" of some versions: two hexadecimal digits, a colon, 19 times more.
            .filter { $0.wholeMatch(of: /\s*(keyid:)?([0-9A-F]{2}:){19}[0-9A-F]{2}\s*/) == nil }
            .sorted().joined(separator: "\n")
    }
}

extension Ran {
    func succeeded() throws { try #require(status == 0, "\(output)") }
}
