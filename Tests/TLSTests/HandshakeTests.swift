import NIOCore
import NIOEmbedded
import Testing
import Vocabulary

@testable import TLS

/// Who is let in, and what each side learns when not.
struct HandshakeTests {
    let authority: TestAuthority
    let simba: TLSContext

    init() throws {
        authority = try TestAuthority()
        simba = try authority.context("roost://pride/node/simba")
    }

    @Test(
        "two nodes of one cluster learn each other's names, whatever pieces the bytes come in",
        arguments: [1, 7, 4_096])
    func mutual(piece: Int) throws {
        let mkango = try authority.context("roost://pride/node/mkango")
        let pair = try EmbeddedPair(client: mkango, server: simba, expecting: .node(NodeName("simba")))
        pair.client.writeAndFlush(ByteBuffer(string: "early"), promise: nil)
        try pair.carry(piece: piece)
        #expect(pair.clientEnd.record.identity?.name.uri == "roost://pride/node/simba")
        #expect(pair.serverEnd.record.identity?.name.uri == "roost://pride/node/mkango")
        #expect(pair.clientTLS.identity == pair.clientEnd.record.identity)
        #expect(pair.clientEnd.record.identity?.notAfter == simba.credentials.notAfter)
        #expect(pair.clientEnd.record.identity?.serial == simba.credentials.serial)
        #expect(pair.clientEnd.record.handshakes == 1 && pair.serverEnd.record.handshakes == 1)

        pair.client.read()
        pair.server.read()
        pair.server.writeAndFlush(ByteBuffer(repeating: 7, count: 40_000), promise: nil)
        try pair.carry(piece: piece)
        #expect(pair.serverEnd.record.received == Array("early".utf8))
        #expect(pair.serverEnd.record.bytesBeforeHandshake == 0)
        #expect(pair.clientEnd.record.received == [UInt8](repeating: 7, count: 40_000))
        #expect(pair.clientEnd.record.errors.isEmpty && pair.serverEnd.record.errors.isEmpty)
        pair.end()
    }

    @Test(
        "a server that waits for its turn says nothing until it has it, then all goes on; a peer that left costs no turn"
    )
    func turn() throws {
        var steps: [() -> Void] = []
        let pair = try EmbeddedPair(client: simba, server: simba, turn: { steps.append($0) })
        try pair.carry(piece: 100)
        #expect(steps.count == 1)
        #expect(pair.clientEnd.record.handshakes == 0 && pair.serverEnd.record.handshakes == 0)
        steps[0]()
        try pair.carry()
        #expect(pair.clientEnd.record.handshakes == 1 && pair.serverEnd.record.handshakes == 1)
        #expect(steps.count == 1)
        pair.end()

        let left = try EmbeddedPair(client: simba, server: simba, turn: { steps.append($0) })
        try left.carry()
        try left.server.close().wait()
        #expect(steps.count == 2)
        steps[1]()
        #expect(try left.server.readOutbound(as: ByteBuffer.self) == nil)
        left.end()
    }

    @Test("plaintext that comes with the end of the handshake waits until the application reads")
    func held() throws {
        let pair = try EmbeddedPair(client: simba, server: simba)
        pair.client.writeAndFlush(ByteBuffer(string: "early"), promise: nil)
        try pair.move(from: pair.client, to: pair.server)
        try pair.move(from: pair.server, to: pair.client)
        // The client's Finished and its first data, in one piece.
        var flight = ByteBuffer()
        while var part = try pair.client.readOutbound(as: ByteBuffer.self) { flight.writeBuffer(&part) }
        try pair.server.writeInbound(flight)
        #expect(pair.serverEnd.record.handshakes == 1)
        #expect(pair.serverEnd.record.received.isEmpty)
        pair.server.read()
        #expect(pair.serverEnd.record.received == Array("early".utf8))
        pair.end()
    }

    @Test(
        "a client, a reader and an admin may call a node; their role is passed on",
        arguments: ["client", "reader", "admin"])
    func roles(role: String) throws {
        let folder = try authority.issue(["roost://pride/\(role)/okello"], usage: "clientAuth")
        let caller = try TLSContext(credentials: Credentials(folder: folder))
        let pair = try EmbeddedPair(client: caller, server: simba)
        try pair.carry()
        #expect(pair.serverEnd.record.identity?.name.role.rawValue == role)
        pair.end()
    }

    /// Carries a handshake that must fail and gives the one error of each side.
    private func errors(
        client: TLSContext, server: TLSContext, expecting: ExpectedPeer = .anyNode
    ) throws -> (client: TLSError, server: TLSError) {
        let pair = try EmbeddedPair(client: client, server: server, expecting: expecting)
        let early = pair.client.eventLoop.makePromise(of: Void.self)
        pair.client.writeAndFlush(ByteBuffer(string: "secret"), promise: early)
        try pair.carry()
        pair.client.embeddedEventLoop.advanceTime(by: .seconds(20))
        pair.server.embeddedEventLoop.advanceTime(by: .seconds(20))
        #expect(pair.serverEnd.record.receivedBytes == 0)
        #expect(pair.clientEnd.record.receivedBytes == 0)
        #expect(pair.serverEnd.record.handshakes + pair.clientEnd.record.handshakes < 2)
        #expect(!pair.client.isActive && !pair.server.isActive)
        let clientErrors = pair.clientEnd.record.tlsErrors
        let serverErrors = pair.serverEnd.record.tlsErrors
        #expect(clientErrors.count == 1 && serverErrors.count == 1, "\(clientErrors) \(serverErrors)")
        pair.end()
        return (try #require(clientErrors.first), try #require(serverErrors.first))
    }

    private func refused(by alert: Alert, _ context: TLSContext) -> TLSError {
        .refusedByPeer(alert, ours: context.credentials.name)
    }

    @Test("a certificate of another CA is refused, and each side says so in its own way")
    func foreignAuthority() throws {
        let foreign = try TestAuthority(commonName: "Foreign CA")
        let folder = try foreign.issue(["roost://pride/node/fisi"], trusting: authority)
        let fisi = try TestAuthority.context(odd: folder, as: "roost://pride/node/fisi")
        let fault = CertificateFault.untrusted(issuer: "\"/CN=Foreign CA\"")

        let asClient = try errors(client: fisi, server: simba)
        #expect(asClient.server == .refusedPeer(fault, certificate: "roost://pride/node/fisi"))
        #expect(asClient.client == refused(by: .unknownCA, fisi))
        #expect(asClient.server.description.contains("issued by \"/CN=Foreign CA\", which is not this cluster's CA"))
        #expect(
            asClient.client.description.hasPrefix(
                "the peer refused our certificate roost://pride/node/fisi: unknown CA"))

        let asServer = try errors(client: simba, server: fisi)
        #expect(asServer.client == .refusedPeer(fault, certificate: "roost://pride/node/fisi"))
        #expect(asServer.server == refused(by: .unknownCA, fisi))
    }

    @Test("another CA of the same name is refused too")
    func foreignAuthorityOfSameName() throws {
        let foreign = try TestAuthority()
        let folder = try foreign.issue(["roost://pride/node/fisi"], trusting: authority)
        let fisi = try TestAuthority.context(odd: folder, as: "roost://pride/node/fisi")
        let found = try errors(client: fisi, server: simba)
        guard case .refusedPeer(.untrusted, _) = found.server else {
            Issue.record("\(found.server)")
            return
        }
        guard case .refusedByPeer = found.client else {
            Issue.record("\(found.client)")
            return
        }
    }

    @Test("a self-signed certificate is refused")
    func selfSigned() throws {
        let foreign = try TestAuthority(commonName: "Myself")
        let folder = try foreign.issue(["roost://pride/node/fisi"], trusting: authority)
        try openssl([
            "req", "-x509", "-key", folder + "/key.pem", "-config", foreign.folder + "/ca.cnf", "-subj", "/CN=Myself",
            "-days", "3", "-out", folder + "/cert.pem", "-addext", "subjectAltName=URI:roost://pride/node/fisi",
        ])
        let fisi = try TestAuthority.context(odd: folder, as: "roost://pride/node/fisi")
        let found = try errors(client: fisi, server: simba)
        #expect(
            found.server
                == .refusedPeer(.untrusted(issuer: "\"/CN=Myself\""), certificate: "roost://pride/node/fisi"))
    }

    @Test("an expired certificate is refused with the time of its end, and its holder is told")
    func expired() throws {
        let folder = try authority.issue(["roost://pride/node/mzee"], from: -7_200, until: -3_600)
        let mzee = try TestAuthority.context(odd: folder, as: "roost://pride/node/mzee")
        for found in [try errors(client: mzee, server: simba), try swapped(errors(client: simba, server: mzee))] {
            #expect(
                found.server
                    == .refusedPeer(
                        .expired(at: mzee.credentials.notAfter), certificate: "roost://pride/node/mzee"))
            #expect(found.client == refused(by: .certificateExpired, mzee))
        }
    }

    @Test("a certificate that is not valid yet is refused with the time of its beginning")
    func notYetValid() throws {
        let folder = try authority.issue(["roost://pride/node/mtoto"], from: 3_600, until: 7_200)
        let mtoto = try TestAuthority.context(odd: folder, as: "roost://pride/node/mtoto")
        for found in [try errors(client: mtoto, server: simba), try swapped(errors(client: simba, server: mtoto))] {
            #expect(
                found.server
                    == .refusedPeer(
                        .notYetValid(before: mtoto.credentials.notBefore), certificate: "roost://pride/node/mtoto"))
            #expect(found.client == refused(by: .badCertificate, mtoto))
        }
    }

    private func swapped(_ pair: (client: TLSError, server: TLSError)) -> (client: TLSError, server: TLSError) {
        (pair.server, pair.client)
    }

    @Test("a certificate without a URI name, with two, or with another form is refused in both directions")
    func names() throws {
        let two = ["roost://pride/node/a", "roost://pride/node/b"]
        let mixed = ["roost://pride/node/a", "https://example.org/"]
        let cases: [([String], CertificateFault, String)] = [
            ([], .noName, "\"/CN=leaf\""),
            (two, .severalNames(two), "\"/CN=leaf\""),
            (mixed, .severalNames(mixed), "\"/CN=leaf\""),
            (["https://example.org/"], .notAName("https://example.org/"), "\"/CN=leaf\""),
            (["roost://pride/king/a"], .notAName("roost://pride/king/a"), "\"/CN=leaf\""),
        ]
        for (uris, fault, label) in cases {
            let folder = try authority.issue(uris)
            let odd = try TestAuthority.context(odd: folder, as: "roost://pride/node/odd")
            for found in [try errors(client: odd, server: simba), try swapped(errors(client: simba, server: odd))] {
                #expect(found.server == .refusedPeer(fault, certificate: label))
                #expect(found.client == refused(by: .badCertificate, odd))
            }
        }
    }

    @Test("a certificate of another cluster of the same CA is refused, by whichever side sees it first")
    func wrongCluster() throws {
        let folder = try authority.issue(["roost://clan/node/fisi"])
        let hyena = try TLSContext(credentials: Credentials(folder: folder))
        // Believes itself in the pride, and lets its simba pass: now the server is the one to refuse.
        let stray = try TestAuthority.context(odd: folder, as: "roost://pride/node/fisi")
        let pride = try ClusterName("pride")
        let refusal = TLSError.refusedPeer(
            .wrongCluster(hyena.credentials.name, expected: pride), certificate: "roost://clan/node/fisi")

        let asClient = try errors(client: stray, server: simba)
        #expect(asClient.server == refusal)
        #expect(asClient.client == refused(by: .badCertificate, stray))

        let asServer = try errors(client: simba, server: hyena)
        #expect(asServer.client == refusal)
        #expect(asServer.server == refused(by: .badCertificate, hyena))
    }

    @Test("a client that poses as a node is refused by its role, or already by its key usage")
    func wrongRole() throws {
        let broad = try authority.context("roost://pride/client/okello")
        let found = try errors(client: simba, server: broad)
        #expect(
            found.client
                == .refusedPeer(
                    .wrongRole(broad.credentials.name, expected: .node), certificate: "roost://pride/client/okello"))
        #expect(found.server == refused(by: .badCertificate, broad))

        let narrow = try TLSContext(
            credentials: Credentials(folder: authority.issue(["roost://pride/client/okello"], usage: "clientAuth")))
        let byUsage = try errors(client: simba, server: narrow)
        #expect(byUsage.client == .refusedPeer(.wrongPurpose, certificate: "roost://pride/client/okello"))
        #expect(byUsage.server == refused(by: .unsupportedCertificate, narrow))
    }

    @Test("a node that answers for another is refused by the caller")
    func wrongNode() throws {
        let mkango = try authority.context("roost://pride/node/mkango")
        let called = try NodeName("simba")
        let found = try errors(client: simba, server: mkango, expecting: .node(called))
        #expect(
            found.client
                == .refusedPeer(
                    .wrongNode(called: called, answered: try NodeName("mkango")),
                    certificate: "roost://pride/node/mkango"))
        #expect(found.client.description.contains("called simba, but mkango answered"))
        #expect(found.server == refused(by: .badCertificate, mkango))
    }

    @Test("a handshake that stalls ends at its deadline, and its writers are told")
    func timeout() throws {
        let pair = try EmbeddedPair(client: simba, server: simba)
        let write = pair.client.writeAndFlush(ByteBuffer(string: "x"))
        pair.client.embeddedEventLoop.advanceTime(by: .milliseconds(9_999))
        #expect(pair.client.isActive)
        pair.client.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(!pair.client.isActive)
        #expect(pair.clientEnd.record.tlsErrors == [.handshakeTimeout(milliseconds: 10_000)])
        #expect(throws: TLSError.handshakeTimeout(milliseconds: 10_000)) { try write.wait() }
        pair.end()
    }

    @Test("a handshake that completes is not ended by its deadline")
    func timeoutIsCancelled() throws {
        let pair = try EmbeddedPair(client: simba, server: simba)
        try pair.carry()
        pair.client.embeddedEventLoop.advanceTime(by: .hours(1))
        pair.server.embeddedEventLoop.advanceTime(by: .hours(1))
        #expect(pair.client.isActive && pair.server.isActive)
        #expect(pair.clientEnd.record.errors.isEmpty && pair.serverEnd.record.errors.isEmpty)
        pair.end()
    }

    @Test("what is written before the handshake is bounded, and too much ends it: a stream has no holes")
    func earlyWritesAreBounded() throws {
        let pair = try EmbeddedPair(client: simba, server: simba)
        let limit = PendingWrites.bytesMaxBeforeHandshake
        let fits = pair.client.writeAndFlush(ByteBuffer(repeating: 1, count: limit))
        let tooMuch = pair.client.writeAndFlush(ByteBuffer(repeating: 1, count: 1))
        #expect(throws: TLSError.tooMuchBeforeHandshake(limitBytes: limit)) { try tooMuch.wait() }
        #expect(throws: TLSError.tooMuchBeforeHandshake(limitBytes: limit)) { try fits.wait() }
        let later = pair.client.writeAndFlush(ByteBuffer(string: "behind the hole"))
        #expect(throws: (any Error).self) { try later.wait() }
        pair.server.read()
        try pair.carry()
        #expect(pair.clientEnd.record.tlsErrors == [.tooMuchBeforeHandshake(limitBytes: limit)])
        #expect(!pair.client.isActive)
        #expect(pair.serverEnd.record.receivedBytes == 0)
        pair.end()
    }

    @Test("as much as is allowed before the handshake arrives whole after it")
    func earlyWritesArrive() throws {
        let pair = try EmbeddedPair(client: simba, server: simba)
        let limit = PendingWrites.bytesMaxBeforeHandshake
        let fits = pair.client.writeAndFlush(ByteBuffer(repeating: 1, count: limit))
        pair.server.read()
        try pair.carry()
        try fits.wait()
        #expect(pair.serverEnd.record.receivedBytes == limit)
        #expect(pair.serverEnd.record.largestRead <= TLSHandler.plaintextBytesMax)
        pair.end()
    }

    @Test(
        "a server that is none of ours is named for what it is",
        arguments: [
            (Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), TLSError.notTLS(.http)),
            (Array("SSH-2.0-OpenSSH_9.2\r\n".utf8), .notTLS(.other(Array("SSH-2".utf8)))),
            // Fatal alerts in plain records, as servers without TLS 1.3, or without our ALPN, answer our hello.
            ([21, 3, 1, 0, 2, 2, 70], .oldVersion),
            ([21, 3, 3, 0, 2, 2, 120], .noCommonProtocol),
            ([21, 3, 3, 0, 2, 2, 80], .alert(Alert(code: 80))),
        ])
    func strangeServers(answer: [UInt8], error: TLSError) throws {
        let pair = try EmbeddedPair(client: simba, server: simba)
        for byte in answer where pair.client.isActive { try pair.client.writeInbound(ByteBuffer(bytes: [byte])) }
        #expect(pair.clientEnd.record.tlsErrors == [error])
        #expect(!pair.client.isActive)
        pair.end()
    }

    @Test("a peer that hangs up during the handshake is told apart from one that refuses")
    func hangUp() throws {
        let pair = try EmbeddedPair(client: simba, server: simba)
        pair.server.pipeline.fireChannelInactive()
        #expect(pair.serverEnd.record.tlsErrors == [.closedDuringHandshake])
        pair.end()
    }
}
