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

    @Test("an intermediate CA is refused: no peer would accept what it signs")
    func intermediate() throws {
        mkdir(folder("below"), 0o700)
        try write(
            Array(
                "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nnameConstraints=permitted;URI:savanna\n"
                    .utf8), to: folder("below/ext"))
        try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj", "/CN=root",
            "-keyout", "below/root.key", "-out", "below/root.pem", in: folder.path
        ).succeeded()
        try openssl(
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj", "/CN=below",
            "-keyout", "below/ca.key.pem", "-out", "below/r.pem", in: folder.path
        ).succeeded()
        try openssl(
            "x509", "-req", "-in", "below/r.pem", "-CA", "below/root.pem", "-CAkey", "below/root.key", "-days", "1",
            "-extfile", "below/ext", "-out", "below/ca.pem", in: folder.path
        ).succeeded()
        chmod(folder("below/ca.key.pem"), 0o600)
        let error = #expect(throws: AuthorityError.self) { try CertificateAuthority.open(folder: folder("below")) }
        #expect(error?.description.contains("signed by CN=root") == true, "\(String(describing: error))")
    }

    @Test("of a bundle of two CAs the one whose key it is issues, and both are handed on", arguments: [true, false])
    func bundle(oursFirst: Bool) throws {
        let old = try CertificateAuthority.create(folder: folder("old"), cluster: ClusterName("savanna"))
        _ = try old.issue(role: .node, name: NodeName("nala"), into: folder("nala"))
        let (ours, theirs) = (try bytes(of: folder("ca/ca.pem")), try bytes(of: folder("old/ca.pem")))
        try write(oursFirst ? ours + theirs : theirs + ours, to: folder("ca/ca.pem"))
        _ = try CertificateAuthority.open(folder: folder("ca"))
            .issue(role: .node, name: NodeName("juma"), into: folder("juma"))
        #expect(try bytes(of: folder("juma/ca.pem")) == bytes(of: folder("ca/ca.pem")))
        #expect(try Credentials(folder: folder("juma")).name.name.text == "juma")
        for leaf in ["juma", "nala"] {
            try openssl("verify", "-CAfile", "juma/ca.pem", "\(leaf)/cert.pem", in: folder.path).succeeded()
        }
    }

    @Test("a damaged certificate in the bundle is an error, not a CA fewer")
    func damagedBundle() throws {
        let good = try bytes(of: folder("ca/ca.pem"))
        try write(good + Array("-----BEGIN CERTIFICATE-----\nAAAA\n".utf8), to: folder("ca/ca.pem"))
        #expect(throws: AuthorityError.self) { try CertificateAuthority.open(folder: folder("ca")) }
    }

    @Test("a CA whose certificates no peer would take says so instead of issuing one")
    func useless() throws {
        // Its key may sign, and its own constraints exclude every name that it is permitted.
        mkdir(folder("odd"), 0o700)
        try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj", "/CN=odd",
            "-keyout", "odd/ca.key.pem", "-out", "odd/ca.pem", "-addext",
            "nameConstraints=permitted;URI:savanna,excluded;URI:savanna", in: folder.path
        ).succeeded()
        chmod(folder("odd/ca.key.pem"), 0o600)
        let authority = try CertificateAuthority.open(folder: folder("odd"))
        let error = #expect(throws: AuthorityError.self) {
            try authority.issue(role: .node, name: NodeName("juma"), into: folder("juma"))
        }
        #expect(error?.description.contains("peers would refuse what it signs") == true, "\(String(describing: error))")
        #expect(try !names(in: folder.path).contains("juma"))
        #expect(try authority.issued().isEmpty)
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
