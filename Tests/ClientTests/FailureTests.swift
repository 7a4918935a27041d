import Client
import NIOCore
import NIOHTTP1
import NIOPosix
import TLS
import Testing
import Vocabulary

extension NetworkTests {
    @Suite("Connections that fail say why")
    struct FailureTests {
        static let group = MultiThreadedEventLoopGroup.singleton

        private static func expectFailure(
            _ what: String, _ matches: (ClientError) -> Bool, _ body: () async throws -> Void
        ) async {
            do {
                try await body()
                Issue.record("\(what): did not fail")
            } catch let error as ClientError {
                #expect(matches(error), "\(what): \(error)")
            } catch {
                Issue.record("\(what): \(error)")
            }
        }

        private static func connect(
            _ address: AgentAddress, _ tls: TLSContext? = nil, expecting: ExpectedPeer = .anyNode,
            timeout: Duration = .seconds(5)
        ) async throws -> ClientConnection {
            try await ClientConnection.connect(
                to: address, tls: tls, expecting: expecting, timeout: timeout, eventLoopGroup: group)
        }

        @Test("nobody listens: the address, the cause and a remedy are named")
        func nobody() async throws {
            let workshop = try Workshop()
            await Self.expectFailure("a missing socket") { error in
                "\(error)".contains("No such file") && "\(error)".contains("is the agent running")
            } _: {
                _ = try await Self.connect(.unix(path: workshop.path("none")))
            }
            let authority = try workshop.authority()
            let ours = try workshop.context(authority, .client, "alice")
            // A port that was free a moment ago.
            let probe = try await ServerBootstrap(group: Self.group).bind(host: "127.0.0.1", port: 0).get()
            let port = UInt16(probe.localAddress?.port ?? 0)
            try await probe.close()
            await Self.expectFailure("a closed port") { error in
                "\(error)".contains("Connection refused")
            } _: {
                _ = try await Self.connect(.https(Endpoint(host: "127.0.0.1", port: port)), ours)
            }
            await Self.expectFailure("no certificate") {
                "\($0)".contains("--certs")
            } _: {
                _ = try await Self.connect(.https(Endpoint(host: "127.0.0.1", port: port)))
            }
            await Self.expectFailure("no such host") { error in
                guard case .cannotConnect = error else { return false }
                return true
            } _: {
                _ = try await Self.connect(.https(Endpoint(host: "no-such-host.invalid", port: 1)), ours)
            }
        }

        @Test("a listener that never answers is given up at the timeout")
        func silentListener() async throws {
            let workshop = try Workshop()
            let ours = try workshop.context(try workshop.authority(), .client, "alice")
            let silent = try await ServerBootstrap(group: Self.group).bind(host: "127.0.0.1", port: 0).get()
            let port = UInt16(silent.localAddress?.port ?? 0)
            let start = ContinuousClock.now
            await Self.expectFailure("a silent listener") { error in
                guard case .cannotConnect = error else { return false }
                return true
            } _: {
                _ = try await Self.connect(
                    .https(Endpoint(host: "127.0.0.1", port: port)), ours, timeout: .milliseconds(300))
            }
            #expect(ContinuousClock.now - start < .seconds(9))
            try await silent.close()
        }

        @Test("a node of another CA, and another node than meant, are refused")
        func wrongPeer() async throws {
            let workshop = try Workshop()
            let authority = try workshop.authority()
            let stranger = try workshop.context(try workshop.authority(), .node, "simba")
            let ours = try workshop.context(authority, .client, "alice")
            let refused: @Sendable (ClientError) -> Bool = { error in
                guard case .refused = error else { return false }
                return true
            }
            try await TestServer.run(tls: stranger) {
                try await $0.answer(200)
            } _: { address in
                await Self.expectFailure("another CA", refused) { _ = try await Self.connect(address, ours) }
            }
            let node = try workshop.context(authority, .node, "simba")
            try await TestServer.run(tls: node) {
                try await $0.answer(200)
            } _: { address in
                await Self.expectFailure("another node") {
                    refused($0) && "\($0)".contains("mkango")
                } _: {
                    _ = try await Self.connect(address, ours, expecting: .node(NodeName("mkango")))
                }
                // In TLS 1.3 a client that is refused learns it with its first request.
                let foreign = try workshop.context(try workshop.authority(), .client, "alice")
                await Self.expectFailure("our certificate is foreign", refused) {
                    let connection = try await Self.connect(address, foreign)
                    _ = try await connection.send(ClientRequest("GET", "/"))
                }
            }
        }

        @Test("silence and slowness end at their bounds", arguments: [true, false])
        func timeouts(isIdle: Bool) async throws {
            let workshop = try Workshop()
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                try await conversation.begin(200, [("Content-Length", "1000000")])
                // Idle: nothing more. Slow: a byte now and then.
                for _ in 0..<500 {
                    if !isIdle { try await conversation.write([1]) }
                    try await Task.sleep(for: .milliseconds(20))
                }
            } _: { address in
                let connection = try await Self.connect(address)
                await Self.expectFailure("timeout") { error in
                    guard case .timedOut = error else { return false }
                    return true
                } _: {
                    let response = try await connection.send(
                        ClientRequest("GET", "/"),
                        timeouts: ClientTimeouts(
                            idle: isIdle ? .milliseconds(200) : .seconds(10), total: isIdle ? nil : .milliseconds(400)))
                    _ = try await response.body.collect(upTo: 1 << 20)
                }
                #expect(!connection.isOpen)
            }
        }

        @Test("the answer to a larger body is waited for longer than silence is otherwise")
        func largeBody() async throws {
            let workshop = try Workshop()
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                while try await conversation.nextPart() != nil {}
                // As while an owner makes its copies.
                try await Task.sleep(for: .milliseconds(600))
                try await conversation.answer(201)
            } _: { address in
                let connection = try await Self.connect(address)
                let response = try await connection.send(
                    ClientRequest("PUT", "/a", body: .bytes(ByteBuffer(repeating: 1, count: 1 << 20))),
                    timeouts: ClientTimeouts(idle: .milliseconds(100), idlePerMebibyte: .seconds(60)))
                #expect(response.status == 201)
            }
        }

        @Test("a slow taker is not taken for a silent sender")
        func slowTaker() async throws {
            let workshop = try Workshop()
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                try await conversation.begin(200, [("Content-Length", "\(8 << 20)")])
                let chunk = noise(1 << 18)
                for _ in 0..<32 { try await conversation.write(chunk) }
                try await conversation.end()
            } _: { address in
                let connection = try await Self.connect(address)
                let response = try await connection.send(
                    ClientRequest("GET", "/"), timeouts: ClientTimeouts(idle: .seconds(3)))
                var iterator = response.body.makeAsyncIterator()
                var count = try await iterator.next()?.readableBytes ?? 0
                try await Task.sleep(for: .seconds(5))
                while let part = try await iterator.next() { count += part.readableBytes }
                #expect(count == 8 << 20)
            }
        }

        @Test("a connection that ends in the middle names the byte")
        func endsMidBody() async throws {
            let workshop = try Workshop()
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                try await conversation.begin(200, [("Content-Length", "1000")])
                try await conversation.write(noise(123))
                try await conversation.breakOff()
            } _: { address in
                let connection = try await Self.connect(address)
                await Self.expectFailure("cut") { error in
                    guard case .closedMidBody(_, 123, 1000, _) = error else { return false }
                    return true
                } _: {
                    let response = try await connection.send(ClientRequest("GET", "/"))
                    _ = try await response.body.collect(upTo: 1 << 20)
                }
            }
        }

        @Test("a head past its bounds is refused")
        func largeHead() async throws {
            let workshop = try Workshop()
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                try await conversation.answer(200, [("X", String(repeating: "a", count: 32 * 1024))])
            } _: { address in
                let connection = try await Self.connect(address)
                await Self.expectFailure("large head") { error in
                    guard case .badAnswer = error else { return false }
                    return true
                } _: {
                    _ = try await connection.send(ClientRequest("GET", "/"))
                }
            }
        }

        @Test("cancelling a request, or dropping its answer, closes the connection")
        func cancellation() async throws {
            let workshop = try Workshop()
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                if conversation.head.uri == "/body" {
                    try await conversation.begin(200, [("Content-Length", "1000")])
                    try await conversation.write(noise(10))
                }
                try await Task.sleep(for: .seconds(30))
            } _: { address in
                let connection = try await Self.connect(address)
                let task = Task { try await connection.send(ClientRequest("GET", "/silent")) }
                try await Task.sleep(for: .milliseconds(50))
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
                #expect(!connection.isOpen)

                let other = try await Self.connect(address)
                do { _ = try await other.send(ClientRequest("GET", "/body")) }
                #expect(await eventually { !other.isOpen })
            }
        }
    }
}
