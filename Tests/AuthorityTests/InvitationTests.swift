import Foundation
import TLS
import Testing
import Vocabulary

@testable import Authority

@Suite("Tokens and requests of enrolment")
struct EnrolmentCodecTests {
    private func token(name: String? = nil) throws -> InvitationToken {
        InvitationToken(
            cluster: try ClusterName("savanna"), role: .node, name: try name.map { try NodeName($0) },
            addresses: [try Endpoint(host: "10.0.0.1", port: 7667), try Endpoint(parsing: "[fd00::1]:7000")],
            pin: SHA256.digest([1]), id: [UInt8](0..<8), secret: [UInt8](16..<32))
    }

    @Test("a token says what it was made of, in one word")
    func roundTrip() throws {
        for name in [nil, "simba"] {
            let token = try token(name: name)
            #expect(try InvitationToken(parsing: token.text) == token)
            #expect(token.text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } && token.text.utf8.count < 250)
        }
    }

    @Test("no token is read in two ways: each letter changed, left out or added is found")
    func damage() throws {
        let text = try token(name: "simba").text
        let letters = Array(text)
        for index in InvitationToken.prefix.count..<letters.count {
            var changed = letters
            changed[index] = letters[index] == "A" ? "B" : "A"
            #expect(throws: InvitationTokenError.damaged) { try InvitationToken(parsing: String(changed)) }
            var shorter = letters
            shorter.remove(at: index)
            #expect(throws: InvitationTokenError.damaged) { try InvitationToken(parsing: String(shorter)) }
            #expect(throws: InvitationTokenError.self) { try InvitationToken(parsing: String(letters[..<index])) }
        }
        #expect(throws: InvitationTokenError.damaged) { try InvitationToken(parsing: text + "A") }
        #expect(throws: InvitationTokenError.damaged) { try InvitationToken(parsing: text + "=") }
        for garbage in ["", "rt1_", "rt1_%%%%", "hello", String(repeating: "A", count: 1 << 20), "rt1_é"] {
            #expect(throws: InvitationTokenError.self) { try InvitationToken(parsing: garbage) }
        }
    }

    @Test("bytes with a right checksum and wrong contents are no token")
    func contents() throws {
        var random = SystemRandomNumberGenerator()
        for count in 0..<200 {
            let content = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let sum = SHA256.digest(Array("roost token 1".utf8) + content).bytes.prefix(4)
            let text = Data(content + sum).base64EncodedString().replacingOccurrences(of: "+", with: "-")
                .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
            #expect(throws: InvitationTokenError.damaged) { try InvitationToken(parsing: "rt1_" + text) }
        }
    }

    @Test("a request proves the secret for one connection, one key and one name")
    func proof() throws {
        let token = try token()
        let verifier = try InvitationProof.verifier(secret: token.secret, id: token.id)
        let csr = try X509Request.make(for: .generate(), role: .node, name: NodeName("simba")).der()
        let binding = [UInt8](repeating: 7, count: 32)
        let made = try EnrolmentRequest.make(token: token, name: NodeName("simba"), request: csr, binding: binding)
        let read = try #require(EnrolmentRequest(body: Array(made.bytes.dropFirst(2))))
        #expect(read == made && read.isProven(by: verifier, binding: binding))
        #expect(!read.isProven(by: verifier, binding: [UInt8](repeating: 8, count: 32)))
        let other = try InvitationProof.verifier(secret: [UInt8](repeating: 0, count: 16), id: token.id)
        #expect(!read.isProven(by: other, binding: binding))
        #expect(!read.isProven(by: [], binding: binding))
        // Every byte behind the version is proven, or is the proof.
        let body = Array(made.bytes.dropFirst(2))
        for index in body.indices {
            var changed = body
            changed[index] ^= 1
            #expect(EnrolmentRequest(body: changed)?.isProven(by: verifier, binding: binding) != true, "byte \(index)")
            #expect(EnrolmentRequest(body: Array(body[..<index])) == nil)
        }
        #expect(EnrolmentRequest(body: body + [0]) == nil)
    }

    @Test("a request for another's key, and one of a kind of key that signs no claims, is refused")
    func requests() throws {
        let der = try X509Request.make(for: .generate(), role: .client, name: NodeName("amina")).der()
        let read = try X509Request(der: der)
        #expect(read.role == .client && read.name?.text == "amina")
        for index in der.indices {
            var changed = der
            changed[index] ^= 0x40
            #expect(throws: X509Error.self) { try X509Request(der: changed) }
        }
        #expect(throws: X509Error.self) { try X509Request(der: der + [0]) }
        let folder = try TemporaryFolder()
        let made = try openssl(
            "req", "-new", "-newkey", "rsa:2048", "-noenc", "-subj", "/CN=simba", "-keyout", folder("key"), "-out",
            folder("request"))
        #expect(made.status == 0, "\(made.output)")
        #expect(throws: X509Error.self) { try X509Request(pem: bytes(of: folder("request"))) }
    }
}

@Suite("Invitations as the CA's folder keeps them")
struct AuthorityOfficeTests {
    let folder: TemporaryFolder
    let office: AuthorityOffice
    let here: [Endpoint]
    let binding = [UInt8](repeating: 9, count: 32)
    let now = Timestamp.now

    init() throws {
        folder = try TemporaryFolder()
        _ = try CertificateAuthority.create(folder: folder("ca"), cluster: ClusterName("savanna"))
        office = AuthorityOffice(folder: folder("ca"))
        here = [try Endpoint(host: "127.0.0.1", port: 7667)]
    }

    private func ask(
        _ token: InvitationToken, _ name: String?, key: X509PrivateKey, at time: Int64? = nil,
        of other: AuthorityOffice? = nil,
        isMember: Bool = false, isRevoked: Bool = false
    ) async throws -> CertificateAuthority.Signed {
        let name = try name.map { try NodeName($0) }
        let csr = try X509Request.make(for: key, role: token.role, name: name ?? NodeName("x")).der()
        let request = try EnrolmentRequest.make(token: token, name: name, request: csr, binding: binding)
        return try await (other ?? office).redeem(
            request, binding: binding, source: "10.0.0.7", now: time ?? now
        ) { _ in .init(isMember: isMember, isRevoked: isRevoked) }
    }

    private func refused(
        _ refusal: EnrolmentRefusal, _ location: SourceLocation = #_sourceLocation,
        _ body: () async throws -> CertificateAuthority.Signed
    ) async throws {
        do {
            let signed = try await body()
            Issue.record("signed \(signed.entry.name)", sourceLocation: location)
        } catch let error as EnrolmentRefusal {
            #expect(error == refusal, sourceLocation: location)
        }
    }

    @Test(
        "one key gets its certificate, and again when the answer was lost; another key gets none, also after a restart")
    func single() async throws {
        let (token, invitation) = try await office.invite(.init(ips: ["10.9.9.9"]), addresses: here)
        #expect(token.pin == (try CertificateAuthority.open(folder: folder("ca")).certificate.keyDigest))
        let key = try X509PrivateKey.generate()
        let first = try await ask(token, "simba", key: key)
        #expect(first.entry.name.uri == "roost://savanna/node/simba")
        try write(first.certificate, to: folder("cert.pem"))
        let text = try openssl("x509", "-in", folder("cert.pem"), "-noout", "-text").output
        #expect(text.contains("IP Address:10.0.0.7") && text.contains("IP Address:10.9.9.9"))
        #expect(text.contains("DNS:simba"))
        // A new process, after a crash at the worst of times: what was used is used.
        let later = AuthorityOffice(folder: folder("ca"))
        let again = try await ask(token, "simba", key: key, of: later, isMember: true)
        #expect(again.entry.key == first.entry.key && again.entry.name == first.entry.name)
        try await refused(.used) { try await ask(token, "simba", key: .generate(), of: later) }
        try await refused(.used) { try await ask(token, "other", key: key, of: later) }
        #expect(try await later.list().map { $0.state(at: now) } == [.used])
        #expect(try await later.list().first?.use?.name.text == "simba")
        #expect(try mode(of: folder("ca/invitations.json")) == 0o600)
        #expect(try String(contentsOfFile: folder("ca/invitations.json"), encoding: .utf8).contains(invitation.id))
        let log = try CertificateAuthority.open(folder: folder("ca")).issued()
        #expect(log.count == 2 && log.allSatisfy { $0.key == first.entry.key })
    }

    @Test("used is on the disk before a certificate is: a log that can not be written leaves it used, for the same key")
    func order() async throws {
        let (token, _) = try await office.invite(.init(), addresses: here)
        let key = try X509PrivateKey.generate()
        let log = folder("ca/issued.log")
        // It can be read and not be written to: no link is followed there.
        try FileManager.default.moveItem(atPath: log, toPath: folder("log"))
        try FileManager.default.createSymbolicLink(atPath: log, withDestinationPath: folder("log"))
        do {
            _ = try await ask(token, "simba", key: key)
            Issue.record("signed without a log")
        } catch let error as EnrolmentRefusal {
            #expect(error.code == "unable")
        }
        #expect(try await office.list().first?.use?.name.text == "simba")
        try await refused(.used) { try await ask(token, "mkango", key: .generate()) }
        try FileManager.default.removeItem(atPath: log)
        try FileManager.default.moveItem(atPath: folder("log"), toPath: log)
        let signed = try await ask(token, "simba", key: key)
        #expect(signed.entry.name.name.text == "simba")
    }

    @Test("expired, revoked and made-up invitations are good for nothing, and a stranger is told nothing")
    func refusals() async throws {
        let (token, invitation) = try await office.invite(.init(validFor: .seconds(60)), addresses: here)
        let key = try X509PrivateKey.generate()
        try await refused(.expired(at: invitation.expires)) {
            try await ask(token, "simba", key: key, at: invitation.expires)
        }
        let stranger = InvitationToken(
            cluster: token.cluster, role: .node, name: nil, addresses: here, pin: token.pin, id: token.id,
            secret: [UInt8](repeating: 1, count: 16))
        try await refused(.unknown) { try await ask(stranger, "simba", key: key) }
        try await refused(.unknown) { try await ask(stranger, "simba", key: key, at: invitation.expires) }
        #expect(try await office.revoke(invitation.id))
        #expect(try await !office.revoke("0011223344556677"))
        try await refused(.revoked) { try await ask(token, "simba", key: key) }
        #expect(try await office.list().map { $0.state(at: now) } == [.revoked])
        for validFor in [Duration.seconds(59), .seconds(31 * 86_400)] {
            await #expect(throws: AuthorityError.self) {
                try await office.invite(.init(validFor: validFor), addresses: here)
            }
        }
    }

    @Test("a name in use is given to another key only by an invitation for that name; a revoked one never")
    func namesInUse() async throws {
        _ = try CertificateAuthority.open(folder: folder("ca"))
            .issue(role: .node, name: NodeName("simba"), into: folder("simba"))
        let (open, _) = try await office.invite(.init(), addresses: here)
        let key = try X509PrivateKey.generate()
        let simba = try CertificateName(uri: "roost://savanna/node/simba")
        let mkango = try CertificateName(uri: "roost://savanna/node/mkango")
        try await refused(.nameTaken(simba)) { try await ask(open, "simba", key: key) }
        try await refused(.nameTaken(mkango)) { try await ask(open, "mkango", key: key, isMember: true) }
        try await refused(.nameRevoked(mkango)) { try await ask(open, "mkango", key: key, isRevoked: true) }
        try await refused(.nameNeeded) { try await ask(open, nil, key: key) }
        let (bound, _) = try await office.invite(.init(name: simba.name), addresses: here)
        try await refused(.nameIsBound(simba.name)) { try await ask(bound, "mkango", key: key) }
        let signed = try await ask(bound, nil, key: key, isMember: true)
        #expect(signed.entry.name == simba)
        // None of the refusals has used up the open one.
        #expect(try await ask(open, "mkango", key: key).entry.name == mkango)
    }

    @Test("the book is bounded: open invitations stay, those that are over give way")
    func bound() async throws {
        var book = try InvitationBook(folder: folder("ca"))
        func invitation(_ number: Int, expires: Int64) -> Invitation {
            Invitation(
                id: "\(number)", verifier: "", role: .node, name: nil, ips: [], dns: [], created: now, expires: expires)
        }
        try book.add(invitation(0, expires: now - 31 * 86_400), now: now - 40 * 86_400)
        try book.add(invitation(1, expires: now - 1), now: now)
        #expect(book.all.map(\.id) == ["1"], "what was over a month ago is forgotten")
        var full = (2...InvitationBook.countMax).map { invitation($0, expires: now + 60) }
        full.insert(invitation(1, expires: now - 1), at: 0)
        try write([UInt8](JSONEncoder().encode(full)), to: folder("ca/invitations.json"))
        book = try InvitationBook(folder: folder("ca"))
        try book.add(invitation(5_000, expires: now + 60), now: now)
        #expect(book.all.count == InvitationBook.countMax && book.find("1") == nil)
        #expect(throws: AuthorityError.tooManyInvitations(max: InvitationBook.countMax)) {
            try book.add(invitation(5_001, expires: now + 60), now: now)
        }
        try write(Array("[{".utf8), to: folder("ca/invitations.json"))
        #expect(throws: AuthorityError.self) { try InvitationBook(folder: folder("ca")) }
    }

    @Test("a request signed by hand: csr there, sign here, the key stays")
    func byHand() throws {
        try RequestFiles.make(role: .node, name: NodeName("simba"), into: folder("host"))
        #expect(try names(in: folder("host")) == ["key.pem", "request.pem"])
        #expect(try mode(of: folder("host/key.pem")) == 0o600)
        let read = try RequestFiles.read(folder("host/request.pem"))
        let authority = try CertificateAuthority.open(folder: folder("ca"))
        let entry = try authority.sign(
            read.request, role: #require(read.role), name: #require(read.name), ips: ["10.0.0.7"], into: folder("out"))
        #expect(entry.name.uri == "roost://savanna/node/simba")
        #expect(try names(in: folder("out")) == ["ca.pem", "cert.pem"])
        for file in ["ca.pem", "cert.pem"] {
            try FileManager.default.copyItem(atPath: folder("out/\(file)"), toPath: folder("host/\(file)"))
        }
        #expect(try Credentials(folder: folder("host")).name == entry.name)
        #expect(throws: AuthorityError.self) {
            try authority.sign(read.request, role: .node, name: NodeName("simba"), into: folder("out"))
        }
        #expect(try authority.issued().count == 1, "what could not be written is not in the log")
    }
}
