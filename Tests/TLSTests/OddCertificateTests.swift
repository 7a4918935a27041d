import COpenSSL
import Foundation
import NIOCore
import NIOEmbedded
import Testing
import Vocabulary

@testable import TLS

/// Certificates that say more, or less, than they seem to; and chains of more than two.
struct OddCertificateTests {
    let authority: TestAuthority
    let simba: TLSContext

    init() throws {
        authority = try TestAuthority()
        simba = try authority.context("roost://pride/node/simba")
    }

    /// What each side says of a client whose certificate is in the folder; nil when it is let in.
    private func errors(
        of folder: String, at server: TLSContext? = nil, as uri: String = "roost://pride/node/odd"
    ) throws -> (server: TLSError?, client: TLSError?) {
        let odd = try TestAuthority.context(odd: folder, as: uri)
        let pair = try EmbeddedPair(client: odd, server: server ?? simba)
        defer { pair.end() }
        pair.client.writeAndFlush(ByteBuffer(string: "secret"), promise: nil)
        pair.server.read()
        pair.client.read()
        try pair.carry()
        let (atServer, atClient) = (pair.serverEnd.record, pair.clientEnd.record)
        #expect((atServer.handshakes == 1) == atServer.errors.isEmpty)
        #expect((atServer.receivedBytes == 6) == atServer.errors.isEmpty)
        return (atServer.tlsErrors.first, atClient.tlsErrors.first)
    }

    private func refusal(of folder: String) throws -> CertificateFault? {
        guard case .refusedPeer(let fault, _) = try errors(of: folder).server else { return nil }
        return fault
    }

    /// subjectAltName in DER, with one URI of any bytes.
    private func alternativeName(uri: [UInt8]) -> String {
        let bytes = [0x30, UInt8(uri.count + 2), 0x86, UInt8(uri.count)] + uri
        return "DER:" + bytes.map { String(format: "%02X", $0) }.joined(separator: ":")
    }

    @Test(
        "a URI name with a zero byte, or one that is no ASCII, is no name, whatever stands before it",
        arguments: [0, 0x0A, 0x7F, 0xC3, 0xFF] as [UInt8])
    func oddBytes(byte: UInt8) throws {
        for tail in [[byte], [byte] + Array(".clan".utf8)] {
            let uri = Array("roost://pride/node/simba".utf8) + tail
            // The later of two lines of one name counts.
            let folder = try authority.issue([], extensions: "subjectAltName=\(alternativeName(uri: uri))")
            guard case .notAName(let text)? = try refusal(of: folder) else {
                Issue.record("\(try errors(of: folder))")
                continue
            }
            #expect(text.hasPrefix("roost://pride/node/simba"))
            #expect(text != "roost://pride/node/simba")
            #expect(!CertificateFault.notAName(text).description.utf8.contains(0))
        }
    }

    /// Signs the certificate anew, with its subjectAltName twice: the command line replaces the first by the second.
    private func repeatAlternativeName(in folder: String) throws {
        let source = try #require(BIO_new_file(folder + "/cert.pem", "r"))
        let certificate = try #require(PEM_read_bio_X509(source, nil, nil, nil))
        BIO_free(source)
        defer { X509_free(certificate) }
        let keySource = try #require(BIO_new_file(authority.folder + "/ca.key", "r"))
        let key = try #require(PEM_read_bio_PrivateKey(keySource, nil, nil, nil))
        BIO_free(keySource)
        defer { EVP_PKEY_free(key) }
        let index = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1)
        try #require(X509_add_ext(certificate, X509_get_ext(certificate, index), -1) == 1)
        try #require(X509_sign(certificate, key, EVP_sha256()) > 0)
        let target = try #require(BIO_new_file(folder + "/cert.pem", "w"))
        try #require(PEM_write_bio_X509(target, certificate) == 1)
        BIO_free(target)
    }

    @Test("a certificate with two subjectAltName extensions has no name, be they equal")
    func repeatedExtension() throws {
        let folder = try authority.issue(["roost://pride/node/simba"])
        try repeatAlternativeName(in: folder)
        let text = try openssl(["x509", "-in", folder + "/cert.pem", "-noout", "-text"])
        try #require(text.components(separatedBy: "X509v3 Subject Alternative Name").count == 3)
        let found = try errors(of: folder)
        guard case .refusedPeer(let fault, _)? = found.server else {
            Issue.record("\(found)")
            return
        }
        #expect(fault == .invalid("an extension in it is malformed, or stands there twice"))
        #expect(found.client != nil)
    }

    @Test("a name in the subject, or as a host name, is none")
    func elsewhere() throws {
        let name = "roost:\\/\\/pride\\/node\\/simba"
        #expect(try refusal(of: authority.issue([], subject: "/CN=\(name)")) == .noName)
        let dns = "subjectAltName=DNS:roost://pride/node/simba"
        #expect(try refusal(of: authority.issue([], extensions: dns)) == .noName)
        let email = "subjectAltName=email:roost://pride/node/simba,RID:1.2.3"
        #expect(try refusal(of: authority.issue([], extensions: email)) == .noName)
    }

    @Test("a CA that is bound to one cluster can not make a member of another, also for peers of that other")
    func nameConstraints() throws {
        let savanna = try TestAuthority(commonName: "Savanna CA", constraints: "permitted;URI:savanna")
        let good = try savanna.issue(["roost://savanna/node/nala"])
        let passed = try errors(
            of: good, at: savanna.context("roost://savanna/node/simba"), as: "roost://savanna/node/nala")
        #expect(passed.server == nil && passed.client == nil)

        let forged = try savanna.issue(["roost://serengeti/node/nala"])
        // A peer of serengeti that trusts the savanna's CA as well, as in a careless bundle.
        let serengeti = try TestAuthority.context(odd: forged, as: "roost://serengeti/node/simba")
        let found = try errors(of: forged, at: serengeti, as: "roost://serengeti/node/nala")
        // The client is the first to see a forged certificate: the server's.
        #expect(
            found.client
                == .refusedPeer(.invalid("permitted subtree violation"), certificate: "roost://serengeti/node/nala"))
        guard case .credentials(_, .certificate(.invalid("permitted subtree violation"))) = Self.fault(forged) else {
            Issue.record("\(String(describing: Self.fault(forged)))")
            return
        }
    }

    private static func fault(_ folder: String) -> TLSError? {
        do throws(TLSError) {
            _ = try Credentials(folder: folder)
            return nil
        } catch { return error }
    }

    @Test("a leaf below an intermediate CA is accepted when cert.pem brings that along, and only then")
    func intermediates() throws {
        let between = try authority.issue([])
        try write(
            "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n",
            to: between + "/ca-ext")
        try openssl([
            "x509", "-req", "-in", between + "/csr.pem", "-CA", authority.folder + "/ca.pem", "-CAkey",
            authority.folder + "/ca.key", "-days", "2", "-extfile", between + "/ca-ext", "-out", between + "/ca2.pem",
        ])
        let leaf = try authority.issue([])
        try write(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                + "extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=URI:roost://pride/node/odd\n",
            to: leaf + "/ext2")
        try openssl([
            "x509", "-req", "-in", leaf + "/csr.pem", "-CA", between + "/ca2.pem", "-CAkey", between + "/key.pem",
            "-days", "1", "-extfile", leaf + "/ext2", "-out", leaf + "/cert.pem",
        ])
        // Alone it leads nowhere, at home and at its peers.
        guard case .credentials(_, .certificate(.untrusted))? = Self.fault(leaf) else {
            Issue.record("\(String(describing: Self.fault(leaf)))")
            return
        }
        guard case .untrusted? = try refusal(of: leaf) else {
            Issue.record("\(try errors(of: leaf))")
            return
        }
        let own = try String(contentsOfFile: leaf + "/cert.pem", encoding: .utf8)
        let above = try String(contentsOfFile: between + "/ca2.pem", encoding: .utf8)
        try write(own + above, to: leaf + "/cert.pem")
        #expect(Self.fault(leaf) == nil)
        #expect(try errors(of: leaf).server == nil)
        let whole = try Credentials(folder: leaf).chain
        let padded = try NodeCertificate(chain: whole + simba.credentials.chain, trusting: simba.credentials)
        #expect(whole.count == 2 && padded.chain == whole, "what stands between is kept, and no more")
        // And as a server.
        let odd = try TLSContext(credentials: Credentials(folder: leaf))
        let pair = try EmbeddedPair(client: simba, server: odd, expecting: .node(NodeName("odd")))
        try pair.carry()
        #expect(pair.clientEnd.record.handshakes == 1)
        pair.end()
    }

    private func write(_ text: String, to path: String) throws {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }
}
