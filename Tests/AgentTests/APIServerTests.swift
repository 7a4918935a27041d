import Client
import FoundationEssentials
import NIOCore
import NIOPosix
import TLS
import Testing
import Vocabulary

@testable import Agent

@Suite("The API server", .timeLimit(.minutes(2)))
struct APIServerTests {
    let bed: TestBed
    let node: NodeName

    init() throws {
        bed = try TestBed()
        node = try NodeName("simba")
    }

    private func serve(
        unixSocket: String? = nil, http: Bool = false, limits: ServerLimits = ServerLimits(),
        isRevoked: @escaping @Sendable (Caller) -> Bool = { _ in false }
    ) async throws -> RunningServer {
        let credentials = CurrentCredentials(try bed.identity(.node, "simba"))
        return RunningServer(
            try await APIServer.bind(
                .init(
                    tls: (TestBed.loopback(), credentials), unixSocket: unixSocket,
                    loopbackHTTP: http ? TestBed.loopback() : nil),
                node: node, router: testRouter(isRevoked: isRevoked), limits: limits, logger: quietLogger()))
    }

    private func call(_ running: RunningServer, _ identity: TLSContext) async throws -> ClientConnection {
        try await ClientConnection.connect(
            to: .https(running.endpoint), tls: identity, expecting: .node(node), eventLoopGroup: TestBed.group)
    }

    @Test("each role may do what the contract says, and nothing else")
    func roles() async throws {
        let socket = bed.folder.path + "/s"
        let running = try await serve(unixSocket: socket)
        let requests: [(method: String, path: String)] = [
            ("GET", "/v1/resources/a"), ("HEAD", "/v1/resources/a"), ("PUT", "/v1/resources/a"),
            ("DELETE", "/v1/resources/a"), ("GET", "/v1/members"), ("GET", "/v1/keys"), ("POST", "/v1/leave"),
            ("GET", "/v1/peer/groups"), ("GET", "//v1//peer/groups"),
        ]
        let allowed: [(Role?, [Bool])] = [
            (.reader, [true, true, false, false, true, false, false, false, false]),
            (.client, [true, true, true, true, true, false, false, false, false]),
            (.admin, [true, true, true, true, true, true, true, false, false]),
            (.node, [true, true, true, true, true, true, true, true, true]),
            (nil, [true, true, true, true, true, true, true, false, false]),
        ]
        for (role, expected) in allowed {
            let identity = try role.map { try bed.identity($0, "nyota") }
            for (request, isAllowed) in zip(requests, expected) {
                // A refused upload ends its connection, so each request has its own.
                let connection =
                    if let identity {
                        try await call(running, identity)
                    } else {
                        try await ClientConnection.connect(
                            to: .unix(path: socket), tls: nil, eventLoopGroup: TestBed.group)
                    }
                let answer = try await connection.ask(request.method, request.path)
                #expect(
                    (answer.status < 300) == isAllowed,
                    "\(role?.rawValue ?? "unix") \(request.method) \(request.path): \(answer.status)")
                if !isAllowed { #expect(answer.status == 403) }
                #expect(answer.headers["roost-node"] == "simba")
                #expect(answer.headers["date"]?.hasSuffix(" GMT") == true)
            }
        }
    }

    @Test("a caller's connection ends when it is not used; a node closes its own, and is waited for")
    func idle() async throws {
        var limits = ServerLimits()
        limits.idleTimeout = .milliseconds(200)
        limits.nodeIdleTimeout = .milliseconds(1_500)
        let running = try await serve(limits: limits)
        let peer = try await call(running, try bed.identity(.node, "mkango"))
        let admin = try await call(running, try bed.identity(.admin, "nyota"))
        #expect(try await peer.ask("GET", "/v1/members").status == 200)
        #expect(try await admin.ask("GET", "/v1/members").status == 200)
        // The admin's connection is younger, and ends first.
        #expect(await eventually { !admin.isOpen })
        #expect(peer.isOpen)
        #expect(await eventually { !peer.isOpen })
    }

    @Test("a body that stops coming ends the connection, a node's as well")
    func stalledBody() async throws {
        var limits = ServerLimits()
        limits.idleTimeout = .milliseconds(300)
        let running = try await serve(limits: limits)
        let peer = try await call(running, try bed.identity(.node, "mkango"))
        let body = AsyncThrowingStream<ByteBuffer, any Error> { _ = $0.yield(ByteBuffer(string: "half")) }
        await #expect(throws: (any Error).self) {
            _ = try await peer.ask("PUT", "/v1/resources/a", body: .stream(length: 8, body))
        }
        #expect(await eventually { !peer.isOpen })
    }

    @Test("who takes nothing of an answer is cut off, and who takes it slowly is not")
    func stalledReader() async throws {
        var limits = ServerLimits()
        limits.writeStallTimeout = .milliseconds(500)
        let running = try await serve(limits: limits)
        let deaf = try await call(running, try bed.identity(.reader, "nyota"))
        let unread = try await deaf.send(ClientRequest("GET", "/v1/large"))
        #expect(unread.status == 200)
        let slow = try await call(running, try bed.identity(.reader, "jua"))
        let answer = try await slow.send(ClientRequest("GET", "/v1/large"))
        var count = 0
        for try await part in answer.body {
            count += part.readableBytes
            // In all three times as long as one that takes nothing has.
            let isAtMegabyte = count % (1 << 20) < part.readableBytes
            if count < 15 << 20, isAtMegabyte { try await Task.sleep(for: .milliseconds(100)) }
        }
        #expect(count == 64 << 20)
        #expect(await eventually { running.server.connections == 1 })
        await #expect(throws: (any Error).self) { for try await _ in unread.body {} }
    }

    @Test("who takes an answer slower than the least pace is cut off, though it takes something all the time")
    func crawlingReader() async throws {
        var limits = ServerLimits()
        limits.writeStallTimeout = .seconds(2)
        limits.answerBytesPerSecondMin = 4 << 20
        let running = try await serve(limits: limits)
        let crawling = try await call(running, try bed.identity(.reader, "nyota"))
        let answer = try await crawling.send(ClientRequest("GET", "/v1/large"))
        #expect(answer.status == 200)
        var (count, pauses) = (0, 0)
        await #expect(throws: (any Error).self) {
            for try await part in answer.body {
                count += part.readableBytes
                // A megabyte each half a second: half of the least.
                guard count / (1 << 20) > pauses else { continue }
                pauses += 1
                try await Task.sleep(for: .milliseconds(500))
            }
        }
        #expect(count < 64 << 20)
        #expect(await eventually { running.server.connections == 0 })
    }

    @Test("plain HTTP on loopback sees metrics and nothing else")
    func loopbackHTTP() async throws {
        let running = try await serve(http: true)
        let port = try #require(running.server.httpPort)
        #expect(
            try await RawClient.exchange(port, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                .contains(" 200 "))
        for path in ["/v1/members", "/v1/resources/a", "/v1/peer/groups"] {
            let answer = try await RawClient.exchange(
                port, "GET \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            #expect(answer.contains(" 403 "), "\(path): \(answer)")
        }
    }

    @Test("errors have one shape: 400, 403, 404, 405, 413, 500")
    func errors() async throws {
        let running = try await serve()
        let identity = try bed.identity(.admin, "nyota")
        func expect(_ method: String, _ path: String, _ status: Int, _ code: String) async throws {
            let answer = try await call(running, identity).ask(method, path)
            #expect(answer.status == status, "\(method) \(path)")
            let body = try API.JSON.decode(API.ErrorBody.self, from: Array(answer.text.utf8))
            #expect(body.error.code == code)
            #expect(answer.headers["roost-node"] == "simba")
        }
        try await expect("GET", "/v1/resources/%zz", 400, "bad_request")
        try await expect("GET", "/v1/resources/%ff", 400, "bad_request")
        try await expect("GET", "/nowhere", 404, "no_such_path")
        try await expect("POST", "/v1/members", 405, "method_not_allowed")
        try await expect("GET", "/v1/fails", 500, "internal")
        #expect(try await call(running, identity).ask("GET", "/v1/resources/a%2Fb/%C3%A9?x=1").text == "a/b/é")
    }

    @Test("a revoked name may do nothing, from its next request on")
    func revoked() async throws {
        let running = try await serve(isRevoked: { caller in
            if case .certificate(let identity) = caller { return identity.name.name.text == "scar" }
            return false
        })
        let connection = try await call(running, bed.identity(.admin, "scar"))
        let answer = try await connection.ask("GET", "/v1/members")
        #expect(answer.status == 403)
        #expect(answer.text.contains("revoked"))
    }

    @Test("a body over the limit is refused before it is sent, and one within it arrives whole")
    func bodies() async throws {
        let running = try await serve()
        let identity = try bed.identity(.client, "nyota")
        let connection = try await call(running, identity)
        let fits = try await connection.ask(
            "PUT", "/v1/resources/a", body: .stream(length: 1 << 20, Zeros(buffers: 16)))
        #expect(fits.status == 201)
        #expect(fits.text == "{\"bytes\":1048576}\n")
        let announced = try await connection.ask(
            "PUT", "/v1/resources/a", body: .stream(length: 1 << 40, Zeros(buffers: 1 << 24)))
        #expect(announced.status == 413)
        let chunked = try await call(running, identity).ask(
            "PUT", "/v1/resources/a", body: .stream(length: nil, Zeros(buffers: 64)))
        #expect(chunked.status == 413)
    }

    @Test("a body that ends short breaks the answer off, so that nobody takes it for whole")
    func shortAnswer() async throws {
        let running = try await serve()
        let connection = try await call(running, bed.identity(.reader, "nyota"))
        let response = try await connection.send(ClientRequest("GET", "/v1/short"))
        await #expect(throws: ClientError.self) { _ = try await response.body.collect(upTo: 1 << 20) }
    }

    @Test("300 idle connections, a slow writer and a slow reader keep nobody from being served")
    func crowd() async throws {
        let running = try await serve()
        let identity = try bed.identity(.client, "nyota")
        var idle: [ClientConnection] = []
        for _ in 0..<300 { idle.append(try await call(running, identity)) }
        let slowReader = try await call(running, identity).send(ClientRequest("GET", "/v1/large"))
        let writer = try await call(running, identity)
        let trickle = Task {
            try await writer.ask("PUT", "/v1/resources/slow", body: .stream(length: 1 << 20, Trickle()))
        }
        #expect(running.server.connections >= 302)
        let start = ContinuousClock.now
        for _ in 0..<20 {
            let answer = try await call(running, identity).ask("GET", "/v1/resources/a")
            #expect(answer.status == 200)
        }
        #expect(ContinuousClock.now - start < .seconds(10))
        trickle.cancel()
        #expect(slowReader.status == 200)
        #expect(idle.filter(\.isOpen).count == 300)
    }

    @Test("at the limit of connections the one idle longest gives way")
    func crowded() async throws {
        var limits = ServerLimits()
        limits.connectionsMax = 10
        let running = try await serve(limits: limits)
        let identity = try bed.identity(.reader, "nyota")
        var all: [ClientConnection] = []
        for _ in 0..<30 {
            let connection = try await call(running, identity)
            #expect(try await connection.ask("GET", "/v1/members").status == 200)
            all.append(connection)
        }
        #expect(running.server.connections <= 10)
    }

    @Test("plain HTTP, random bytes and a foreign certificate are counted and disturb nobody")
    func strangers() async throws {
        let running = try await serve()
        let port = try #require(running.server.tlsPort)
        let mine = try await call(running, bed.identity(.reader, "nyota"))
        _ = try await RawClient.exchange(port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = try await RawClient.exchange(port, "\u{1}\u{2}\u{3}random bytes, and more of them\r\n\r\n")
        let foreign = try TestBed(cluster: "savanna").identity(.node, "simba")
        await #expect(throws: (any Error).self) { _ = try await call(running, foreign).ask("GET", "/v1/members") }
        #expect(try await mine.ask("GET", "/v1/members").status == 200)
        #expect(await eventually { running.server.failures.counts[.notTLS, default: 0] >= 2 })
    }

    @Test("a request's head that comes byte by byte ends the connection")
    func slowHead() async throws {
        var limits = ServerLimits()
        limits.headTimeout = .milliseconds(300)
        let running = try await serve(http: true, limits: limits)
        let port = try #require(running.server.httpPort)
        let start = ContinuousClock.now
        #expect(try await RawClient.exchange(port, "GET /metr") == "")
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    @Test(
        "a head has its time from its first byte to its last, however steadily it drips, the second on a connection too",
        arguments: ["", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"])
    func drippedHead(before: String) async throws {
        var limits = ServerLimits()
        limits.headTimeout = .milliseconds(500)
        let running = try await serve(http: true, limits: limits)
        let port = try #require(running.server.httpPort)
        let channel = try await ClientBootstrap(group: TestBed.group).connect(host: "127.0.0.1", port: Int(port)).get()
        try await channel.writeAndFlush(ByteBuffer(string: before))
        let start = ContinuousClock.now
        var sent = 0
        let head = Array("GET /metrics HTTP/1.1\r\nX: ".utf8) + [UInt8](repeating: 0x79, count: 1_000)
        for byte in head where channel.isActive {
            try? await channel.writeAndFlush(ByteBuffer(bytes: [byte]))
            sent += 1
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(!channel.isActive)
        // Many times as many as came in one piece, and far less than there were.
        #expect((5..<500).contains(sent))
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test("a head over 16 KiB is refused with 400")
    func largeHead() async throws {
        let running = try await serve(http: true)
        let port = try #require(running.server.httpPort)
        let head = "GET /metrics HTTP/1.1\r\nHost: x\r\nX: \(String(repeating: "y", count: 20_000))\r\n\r\n"
        #expect(try await RawClient.exchange(port, head).contains(" 400 "))
    }

    @Test("a reload serves new connections with the new certificate and keeps the open ones")
    func reload() async throws {
        let credentials = CurrentCredentials(try bed.identity(.node, "simba"))
        let running = RunningServer(
            try await APIServer.bind(
                .init(tls: (TestBed.loopback(), credentials)), node: node, router: testRouter(), logger: quietLogger()))
        let identity = try bed.identity(.reader, "nyota")
        let before = try await call(running, identity)
        credentials.replace(with: try bed.identity(.node, "nala"))
        let after = try await ClientConnection.connect(
            to: .https(running.endpoint), tls: identity, expecting: .node(NodeName("nala")),
            eventLoopGroup: TestBed.group)
        #expect(try await before.ask("GET", "/v1/members").status == 200)
        #expect(try await after.ask("GET", "/v1/members").status == 200)
    }

    @Test("a busy port is an error that names the address and the remedy")
    func busyPort() async throws {
        let running = try await serve()
        let endpoint = try running.endpoint
        let credentials = CurrentCredentials(try bed.identity(.node, "nala"))
        let error = await #expect(throws: ListenError.self) {
            _ = try await APIServer.bind(
                .init(tls: (endpoint, credentials)), node: node, router: testRouter(), logger: quietLogger())
        }
        #expect(error == .busy(endpoint, transport: .tcp, key: "bind"))
        #expect(error?.description.contains("another process listens on \(endpoint)") == true)
    }

    @Test("a stale unix socket is replaced, a live one and a plain file are not, and the mode is 0660")
    func unixSocket() async throws {
        let path = bed.folder.path + "/s"
        // Given a socket that nobody listens on any more: its listener was closed without removing the file.
        let stale = try await ServerBootstrap(group: TestBed.group).bind(unixDomainSocketPath: path).get()
        try await stale.close()
        if !FileManager.default.fileExists(atPath: path) {
            let again = socketWithoutListener(path)
            #expect(again)
        }
        let running = try await serve(unixSocket: path)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
        #expect(mode.map { "\($0)" } == "\(0o660)")
        let error = await #expect(throws: ListenError.self) { _ = try await serveSocketOnly(path) }
        #expect(error == .socketInUse(path: path))
        running.server.stop()
        try await running.ended()
        #expect(!FileManager.default.fileExists(atPath: path))
        try "text".write(toFile: path, atomically: false, encoding: .utf8)
        let other = await #expect(throws: ListenError.self) { _ = try await serveSocketOnly(path) }
        #expect(other == .notASocket(path: path))
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "text")
    }

    private func serveSocketOnly(_ path: String) async throws -> APIServer {
        try await APIServer.bind(.init(unixSocket: path), node: node, router: testRouter(), logger: quietLogger())
    }

    @Test("a stop does not wait for idle connections, and bounds its wait for busy ones")
    func stop() async throws {
        var limits = ServerLimits()
        limits.stopGrace = .milliseconds(500)
        let running = try await serve(limits: limits)
        let identity = try bed.identity(.client, "nyota")
        let idle = try await call(running, identity)
        let busy = try await call(running, identity).send(ClientRequest("GET", "/v1/large"))
        let start = ContinuousClock.now
        running.server.stop()
        try await running.ended()
        #expect(ContinuousClock.now - start < .seconds(3))
        #expect(await eventually { !idle.isOpen })
        #expect(busy.status == 200)
    }
}

/// One byte a second, for ever.
private struct Trickle: AsyncSequence, Sendable {
    struct AsyncIterator: AsyncIteratorProtocol {
        mutating func next() async throws -> ByteBuffer? {
            try await Task.sleep(for: .seconds(1))
            return ByteBuffer(integer: UInt8(0))
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }
}
