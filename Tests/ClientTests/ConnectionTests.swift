import Client
import NIOCore
import NIOHTTP1
import NIOPosix
import TLS
import Testing
import Vocabulary

extension NetworkTests {
    @Suite("One connection")
    struct ConnectionTests {
        static let group = MultiThreadedEventLoopGroup.singleton

        /// Counts and hashes what comes, sends it back after the end when asked to.
        private static let digester: TestServer.Answer = { conversation in
            if conversation.head.headers.contains(name: "expect") { try await conversation.proceed() }
            var hasher = try SHA256Hasher()
            var count = 0
            while let part = try await conversation.nextPart() {
                hasher.update(part)
                count += part.readableBytes
            }
            try await conversation.answer(200, body: "\(count) \(hasher.finish())")
        }

        private static func chunks(_ count: Int, of size: Int) -> (
            stream: AsyncThrowingStream<ByteBuffer, any Error>, digest: ContentDigest
        ) {
            let chunk = noise(size)
            var hasher = try? SHA256Hasher()
            let buffer = ByteBuffer(bytes: chunk)
            for _ in 0..<count { hasher?.update(buffer) }
            let left = Tally()
            let stream = AsyncThrowingStream<ByteBuffer, any Error> {
                await left.add() <= count ? buffer : nil
            }
            return (stream, hasher?.finish() ?? SHA256.digest([UInt8]()))
        }

        @Test("64 MiB go up and come down over TLS, and the peer is known", arguments: [true, false])
        func largeBodiesOverTLS(lengthIsKnown: Bool) async throws {
            let workshop = try Workshop()
            let authority = try workshop.authority()
            let ours = try workshop.context(authority, .client, "alice")
            try await TestServer.run(
                tls: try workshop.context(authority, .node, "simba"), answer: Self.echoSized
            ) { address in
                let connection = try await ClientConnection.connect(
                    to: address, tls: ours, expecting: .node(NodeName("simba")), eventLoopGroup: Self.group)
                #expect(connection.remoteIdentity?.name.uri == "roost://crane/node/simba")
                #expect(connection.localAddress?.host == "127.0.0.1")
                try await Self.exchangeLargeBodies(connection, lengthIsKnown: lengthIsKnown)
                await connection.close()
                #expect(!connection.isOpen)
            }
        }

        @Test("64 MiB go up and come down over a unix socket")
        func largeBodiesOverUnixSocket() async throws {
            let workshop = try Workshop()
            try await TestServer.run(unix: workshop.path("s"), answer: Self.echoSized) { address in
                let connection = try await ClientConnection.connect(to: address, tls: nil, eventLoopGroup: Self.group)
                #expect(connection.remoteIdentity == nil)
                try await Self.exchangeLargeBodies(connection, lengthIsKnown: true)
            }
        }

        /// PUT: says what came. GET: 64 MiB.
        private static let echoSized: TestServer.Answer = { conversation in
            guard conversation.head.method == .GET else { return try await digester(&conversation) }
            let chunk = noise(1 << 18, seed: 2)
            try await conversation.begin(200, [("Content-Length", "\(64 << 20)")])
            for _ in 0..<256 { try await conversation.write(chunk) }
            try await conversation.end()
        }

        private static func exchangeLargeBodies(_ connection: ClientConnection, lengthIsKnown: Bool) async throws {
            let (stream, digest) = chunks(256, of: 1 << 18)
            let put = try await connection.send(
                ClientRequest("PUT", "/x", body: .stream(length: lengthIsKnown ? 64 << 20 : nil, stream)))
            #expect(String(buffer: try await put.body.collect(upTo: 1000)) == "\(64 << 20) \(digest)")
            #expect(connection.isIdle)

            var hasher = try SHA256Hasher()
            var count = 0
            let got = try await connection.send(ClientRequest("GET", "/x"))
            for try await part in got.body {
                hasher.update(part)
                count += part.readableBytes
            }
            var expected = try SHA256Hasher()
            let chunk = ByteBuffer(bytes: noise(1 << 18, seed: 2))
            for _ in 0..<256 { expected.update(chunk) }
            #expect(count == 64 << 20)
            #expect(hasher.finish() == expected.finish())
            #expect(connection.isIdle)
        }

        @Test("a taker that stops taking stops the sender: what is in between is bounded")
        func backpressure() async throws {
            let workshop = try Workshop()
            let sent = Tally()
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                let chunk = noise(1 << 18)
                try await conversation.begin(200, [("Content-Length", "\(1 << 30)")])
                for _ in 0..<4096 {
                    try await conversation.write(chunk)
                    await sent.add(1 << 18)
                }
                try await conversation.end()
            } _: { address in
                let connection = try await ClientConnection.connect(to: address, tls: nil, eventLoopGroup: Self.group)
                let response = try await connection.send(ClientRequest("GET", "/"))
                var iterator = response.body.makeAsyncIterator()
                #expect(try await iterator.next() != nil)
                // The sender comes to rest: its count is the same for half a second.
                var last = -1
                let rests = try await eventually {
                    let before = last
                    last = await sent.count
                    if before != last { try await Task.sleep(for: .milliseconds(500)) }
                    return before == last
                }
                #expect(rests)
                // Of a GiB. Most of it waits in the test server's own writer, which runs ahead of its event loop.
                #expect(last < 128 << 20)
                await connection.close()
            }
        }

        @Test("a refusal that comes before the body costs no transfer", arguments: [413, 507])
        func refusalBeforeBody(status: Int) async throws {
            let workshop = try Workshop()
            let received = Tally()
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                #expect(conversation.head.headers.first(name: "expect") == "100-continue")
                try await conversation.answer(
                    status, body: #"{"error":{"code":"no","message":"no room","hint":"make some"}}"#)
                while let part = try await conversation.nextPart() { await received.add(part.readableBytes) }
            } _: { address in
                let connection = try await ClientConnection.connect(to: address, tls: nil, eventLoopGroup: Self.group)
                let (stream, _) = Self.chunks(4096, of: 1 << 18)
                let response = try await connection.send(
                    ClientRequest("PUT", "/x", body: .stream(length: 1 << 30, stream)))
                #expect(response.status == status)
                #expect(String(buffer: try await response.body.collect(upTo: 1000)).contains("no room"))
                // The body was announced and never sent: the connection can not serve again.
                #expect(await eventually { !connection.isOpen })
            }
            #expect(await received.count == 0)
        }

        @Test("a refusal in the middle of the body stops the transfer and is heard")
        func refusalDuringBody() async throws {
            let workshop = try Workshop()
            let received = Tally()
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                try await conversation.proceed()
                while await received.count < 1 << 20, let part = try await conversation.nextPart() {
                    await received.add(part.readableBytes)
                }
                try await conversation.answer(413, body: "too much")
                while let part = try await conversation.nextPart() { await received.add(part.readableBytes) }
            } _: { address in
                let connection = try await ClientConnection.connect(to: address, tls: nil, eventLoopGroup: Self.group)
                let (stream, _) = Self.chunks(4096, of: 1 << 18)
                let response = try await connection.send(
                    ClientRequest("PUT", "/x", body: .stream(length: 1 << 30, stream)))
                #expect(response.status == 413)
                #expect(String(buffer: try await response.body.collect(upTo: 1000)) == "too much")
            }
            #expect(await received.count < 64 << 20)
        }

        @Test("a server that knows no 100 Continue gets the body after a moment")
        func noContinue() async throws {
            let workshop = try Workshop()
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                var count = 0
                while let part = try await conversation.nextPart() { count += part.readableBytes }
                try await conversation.answer(200, body: "\(count)")
            } _: { address in
                let connection = try await ClientConnection.connect(to: address, tls: nil, eventLoopGroup: Self.group)
                let (stream, _) = Self.chunks(1, of: 1 << 18)
                let response = try await connection.send(
                    ClientRequest("PUT", "/x", body: .stream(length: 1 << 18, stream)),
                    timeouts: ClientTimeouts(expectContinue: .milliseconds(50)))
                #expect(String(buffer: try await response.body.collect(upTo: 1000)) == "\(1 << 18)")
                #expect(connection.isIdle)
            }
        }

        @Test("a body shorter or longer than announced fails and closes", arguments: [(1 << 18) + 1, (1 << 18) - 1])
        func wrongLength(length: Int) async throws {
            let workshop = try Workshop()
            try await TestServer.run(unix: workshop.path("s"), answer: Self.digester) { address in
                let connection = try await ClientConnection.connect(to: address, tls: nil, eventLoopGroup: Self.group)
                let (stream, _) = Self.chunks(1, of: 1 << 18)
                await #expect {
                    _ = try await connection.send(
                        ClientRequest("PUT", "/x", body: .stream(length: UInt64(length), stream)))
                } throws: { error in
                    guard case ClientError.badRequest = error else { return false }
                    return true
                }
                #expect(!connection.isOpen)
            }
        }

        @Test("one connection serves many requests, HEAD and empty answers among them")
        func keepAlive() async throws {
            let workshop = try Workshop()
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                switch conversation.head.method {
                case .HEAD:
                    try await conversation.begin(200, [("Content-Length", "1000")])
                    try await conversation.end()
                case .DELETE:
                    try await conversation.begin(204)
                    try await conversation.end()
                default: try await conversation.answer(200, [("Roost-Node", "simba")], body: "hello")
                }
                _ = try await conversation.nextPart()
            } _: { address in
                let connection = try await ClientConnection.connect(to: address, tls: nil, eventLoopGroup: Self.group)
                for _ in 0..<50 {
                    let head = try await connection.send(ClientRequest("HEAD", "/"))
                    #expect(head.contentLength == 1000)
                    #expect(try await head.body.collect(upTo: 10).readableBytes == 0)
                    let gone = try await connection.send(ClientRequest("DELETE", "/"))
                    #expect(gone.status == 204)
                    await gone.body.discard()
                    let got = try await connection.send(ClientRequest("GET", "/"))
                    #expect(got.headers["ROOST-node"] == "simba")
                    #expect(String(buffer: try await got.body.collect(upTo: 10)) == "hello")
                }
            }
        }

        @Test("a second request on a busy connection is refused, and the first goes on")
        func busy() async throws {
            let workshop = try Workshop()
            let (refused, tell) = AsyncStream<Void>.makeStream()
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                try await conversation.begin(200, [("Content-Length", "5")])
                try await conversation.write(Array("he".utf8))
                for await _ in refused { break }
                try await conversation.write(Array("llo".utf8))
                try await conversation.end()
            } _: { address in
                let connection = try await ClientConnection.connect(to: address, tls: nil, eventLoopGroup: Self.group)
                let first = try await connection.send(ClientRequest("GET", "/"))
                await #expect(throws: ClientError.self) { try await connection.send(ClientRequest("GET", "/")) }
                tell.yield()
                #expect(String(buffer: try await first.body.collect(upTo: 10)) == "hello")
            }
        }

        @Test(
            "a header or path that would split the request is refused",
            arguments: [
                ClientRequest("GET", "/a b"), ClientRequest("GET", "/a\r\nX: y"), ClientRequest("GET", "no-slash"),
                ClientRequest("GET\r\n", "/"), ClientRequest("GET", "/", headers: ["X": "a\r\nY: b"]),
            ])
        func splitting(_ request: ClientRequest) async throws {
            let workshop = try Workshop()
            try await TestServer.run(unix: workshop.path("s")) {
                try await $0.answer(200)
            } _: { address in
                let connection = try await ClientConnection.connect(to: address, tls: nil, eventLoopGroup: Self.group)
                await #expect {
                    _ = try await connection.send(request)
                } throws: { error in
                    guard case ClientError.badRequest = error else { return false }
                    return true
                }
            }
        }
    }
}
