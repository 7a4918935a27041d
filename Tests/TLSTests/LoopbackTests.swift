import Dispatch
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Vocabulary

@testable import TLS

/// A server on a port of the kernel's choice, with a `Recorder` per connection.
final class LoopbackServer: Sendable {
    let channel: any Channel
    let ends = Mutex<[(channel: any Channel, end: Recorder)]>([])

    var port: Int { channel.localAddress?.port ?? 0 }
    var first: Recorder? { ends.withLock { $0.first?.end } }
    var firstChannel: (any Channel)? { ends.withLock { $0.first?.channel } }

    private init(channel: any Channel) { self.channel = channel }

    static func start(
        _ context: TLSContext, halfClosure: Bool = false, autoRead: Bool = true, keepsBytes: Bool = true,
        handshakeTimeout: TimeAmount = .seconds(10)
    ) async throws -> LoopbackServer {
        let holder = Holder()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: halfClosure)
            .childChannelOption(.autoRead, value: autoRead)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let end = Recorder(keepsBytes: keepsBytes)
                    holder.add(channel, end)
                    try channel.pipeline.syncOperations.addHandlers([
                        TLSHandler.server(context: context, handshakeTimeout: handshakeTimeout), end,
                    ])
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let server = LoopbackServer(channel: channel)
        holder.fill(server)
        return server
    }

    /// Ties connections to the server that is not there yet while its bootstrap is built.
    private final class Holder: Sendable {
        private let waiting = Mutex<[(channel: any Channel, end: Recorder)]>([])
        private let server = Mutex<LoopbackServer?>(nil)

        func add(_ channel: any Channel, _ end: Recorder) {
            if let server = server.withLock({ $0 }) {
                server.ends.withLock { $0.append((channel, end)) }
            } else {
                waiting.withLock { $0.append((channel, end)) }
            }
        }

        func fill(_ new: LoopbackServer) {
            server.withLock { $0 = new }
            let early = waiting.withLock { $0 }
            new.ends.withLock { $0.append(contentsOf: early) }
        }
    }

    func stop() async {
        try? await channel.close()
        for (channel, _) in ends.withLock({ $0 }) { try? await channel.close() }
    }
}

/// Waits until the condition holds, at most `seconds`.
func eventually(_ seconds: Double = 20, _ condition: () -> Bool) async -> Bool {
    let end = DispatchTime.now().uptimeNanoseconds + UInt64(seconds * 1e9)
    while DispatchTime.now().uptimeNanoseconds < end {
        if condition() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return condition()
}

/// The same over real sockets of the kernel.
struct LoopbackTests {
    let authority: TestAuthority
    let simba: TLSContext

    init() throws {
        authority = try TestAuthority()
        simba = try authority.context("roost://pride/node/simba")
    }

    private func connect(
        _ port: Int, as context: TLSContext, end: Recorder, expecting: ExpectedPeer = .anyNode,
        halfClosure: Bool = false
    ) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: halfClosure)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        TLSHandler.client(context: context, expecting: expecting), end,
                    ])
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
    }

    private func connectPlain(_ port: Int, end: Recorder) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandlers([end]) }
            }
            .connect(host: "127.0.0.1", port: port).get()
    }

    @Test("64 MiB in pieces of random sizes arrive whole, both ways at once")
    func bulk() async throws {
        let server = try await LoopbackServer.start(simba, keepsBytes: false)
        let end = Recorder(keepsBytes: false)
        let client = try await connect(server.port, as: simba, end: end)
        #expect(await eventually { server.first?.record.handshakes == 1 })
        let serverSide = try #require(server.firstChannel)
        let total = 64 << 20
        async let up = send(total, seed: 1, on: client)
        async let down = send(total, seed: 2, on: serverSide)
        let sent = try await [up, down]
        #expect(sent == [total, total])
        #expect(await eventually { server.first?.record.receivedBytes == total && end.record.receivedBytes == total })
        #expect(end.record.errors.isEmpty && server.first?.record.errors.isEmpty == true)
        try await client.close()
        #expect(await eventually { server.first?.record.inactive == true })
        #expect(server.first?.record.errors.isEmpty == true)
        await server.stop()
    }

    @Test("what arrives is byte for byte what was sent")
    func contents() async throws {
        let server = try await LoopbackServer.start(simba)
        let client = try await connect(server.port, as: simba, end: Recorder())
        var generator = SeededGenerator(seed: 7)
        var sent: [UInt8] = []
        while sent.count < 1 << 20 {
            let count = Int.random(in: 0...70_000, using: &generator)
            let piece = (0..<count).map { UInt8(truncatingIfNeeded: sent.count &+ $0 &* 31) }
            sent += piece
            try await client.writeAndFlush(ByteBuffer(bytes: piece))
        }
        #expect(await eventually { server.first?.record.receivedBytes == sent.count })
        #expect(server.first?.record.received == sent)
        try await client.close()
        await server.stop()
    }

    private func send(_ total: Int, seed: UInt64, on channel: any Channel) async throws -> Int {
        var generator = SeededGenerator(seed: seed)
        var sent = 0
        while sent < total {
            let count = min(total - sent, Int.random(in: 1...300_000, using: &generator))
            try await channel.writeAndFlush(ByteBuffer(repeating: 5, count: count))
            sent += count
        }
        return sent
    }

    @Test("a slow reader makes the sender unwritable, and nothing piles up in between")
    func backpressure() async throws {
        let server = try await LoopbackServer.start(simba, autoRead: false, keepsBytes: false)
        let client = try await connect(server.port, as: simba, end: Recorder())
        // The server's application has not read yet, and the handshake is done all the same.
        #expect(await eventually { server.first?.record.handshakes == 1 })
        let piece = 64 * 1_024
        var sent = 0
        let limit = 64 << 20
        while sent < limit {
            // Not awaited: only writability may stop us. A write hops to the loop, so the state is read there too.
            client.writeAndFlush(ByteBuffer(repeating: 1, count: piece), promise: nil)
            sent += piece
            let channel = client
            if try await !client.eventLoop.submit({ channel.isWritable }).get() { break }
        }
        #expect(sent < limit, "the sender was never told to stop")
        #expect(server.first?.record.receivedBytes == 0, "nothing is passed on that was not asked for")
        let reader = try #require(server.firstChannel)
        reader.read()
        #expect(await eventually { (server.first?.record.receivedBytes ?? 0) > 0 })
        // One read of the application brings one burst of the channel, not all there is.
        let afterOne = server.first?.record.receivedBytes ?? 0
        #expect(afterOne < sent)
        let total = sent
        #expect(
            await eventually {
                reader.read()
                return server.first?.record.receivedBytes == total
            })
        #expect(await eventually { client.isWritable })
        try await client.close()
        await server.stop()
    }

    @Test("an answer reaches a client that is still sending when the server closes")
    func lastAnswer() async throws {
        let server = try await LoopbackServer.start(simba, autoRead: false)
        for round in 0..<10 {
            let end = Recorder()
            let client = try await connect(server.port, as: simba, end: end)
            #expect(
                await eventually {
                    server.ends.withLock { $0.count == round + 1 && $0[round].end.record.handshakes == 1 }
                })
            client.writeAndFlush(ByteBuffer(repeating: 1, count: 4 << 20), promise: nil)
            let serverSide = server.ends.withLock { $0[round].channel }
            serverSide.writeAndFlush(ByteBuffer(string: "507 no space"), promise: nil)
            try await serverSide.close()
            #expect(await eventually { end.record.inactive })
            #expect(end.record.received == Array("507 no space".utf8))
            #expect(end.record.errors.isEmpty)
        }
        await server.stop()
    }

    @Test("a close does not wait for ever on a peer that reads nothing")
    func closeIsBounded() async throws {
        let server = try await LoopbackServer.start(simba, autoRead: false, keepsBytes: false)
        let end = Recorder()
        let client = try await connect(server.port, as: simba, end: end)
        #expect(await eventually { server.first?.record.handshakes == 1 })
        client.writeAndFlush(ByteBuffer(repeating: 1, count: 32 << 20), promise: nil)
        try await client.close()
        #expect(await eventually { end.record.inactive })
        #expect(end.record.errors.isEmpty)
        await server.stop()
    }

    @Test("a client that closes its output still gets the answer")
    func halfClose() async throws {
        let server = try await LoopbackServer.start(simba, halfClosure: true)
        let end = Recorder()
        let client = try await connect(server.port, as: simba, end: end, halfClosure: true)
        try await client.writeAndFlush(ByteBuffer(string: "question"))
        try await client.close(mode: .output)
        #expect(await eventually { server.first?.record.inputClosed == 1 })
        #expect(server.first?.record.received == Array("question".utf8))
        let serverSide = try #require(server.firstChannel)
        try await serverSide.writeAndFlush(ByteBuffer(repeating: 3, count: 1 << 20))
        try await serverSide.close()
        #expect(await eventually { end.record.inactive })
        #expect(end.record.receivedBytes == 1 << 20)
        #expect(end.record.errors.isEmpty && server.first?.record.errors.isEmpty == true)
        #expect(server.first?.record.inputClosed == 1)
        await server.stop()
    }

    @Test("over a real socket, too, the alert reaches a refused client that is already sending")
    func alertArrives() async throws {
        let foreign = try TestAuthority(commonName: "Foreign CA")
        let folder = try foreign.issue(["roost://pride/node/fisi"], trusting: authority)
        let fisi = try TestAuthority.context(odd: folder, as: "roost://pride/node/fisi")
        let server = try await LoopbackServer.start(simba)
        for _ in 0..<20 {
            let end = Recorder()
            let client = try await connect(server.port, as: fisi, end: end)
            for _ in 0..<16 { client.writeAndFlush(ByteBuffer(repeating: 1, count: 60_000), promise: nil) }
            #expect(await eventually { end.record.inactive })
            #expect(end.record.tlsErrors == [.refusedByPeer(.unknownCA, ours: fisi.credentials.name)])
        }
        #expect(await eventually { server.ends.withLock { $0.allSatisfy { $0.end.record.inactive } } })
        #expect(server.ends.withLock { $0.allSatisfy { $0.end.record.receivedBytes == 0 } })
        await server.stop()
    }

    @Test("plain HTTP gets an answer in its own language, and is named for what it is")
    func plainHTTP() async throws {
        let server = try await LoopbackServer.start(simba)
        let end = Recorder()
        let client = try await connectPlain(server.port, end: end)
        try await client.writeAndFlush(ByteBuffer(string: "GET /v1/status HTTP/1.1\r\nHost: simba\r\n\r\n"))
        #expect(await eventually { end.record.inactive })
        let answer = String(decoding: end.record.received, as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 400 "))
        #expect(answer.contains("https://"))
        #expect(server.first?.record.tlsErrors == [.notTLS(.http)])
        await server.stop()
    }

    @Test("random bytes are refused, whatever they are")
    func randomBytes() async throws {
        let server = try await LoopbackServer.start(simba)
        var generator = SeededGenerator(seed: 11)
        for round in 0..<40 {
            var noise = (0..<600).map { _ in UInt8.random(in: 0...255, using: &generator) }
            // Every other one looks like a TLS record at first.
            if round % 2 == 0 { noise.replaceSubrange(0..<3, with: [22, 3, 1]) }
            let end = Recorder()
            let client = try await connectPlain(server.port, end: end)
            client.writeAndFlush(ByteBuffer(bytes: noise), promise: nil)
            // A record that announces more than came is still awaited; hanging up ends it.
            client.close(mode: .output, promise: nil)
            #expect(await eventually { end.record.inactive })
        }
        #expect(await eventually { server.ends.withLock { $0.allSatisfy { $0.end.record.inactive } } })
        let records = server.ends.withLock { $0.map(\.end.record) }
        #expect(records.count == 40)
        #expect(records.allSatisfy { $0.tlsErrors.count == 1 && $0.handshakes == 0 && $0.receivedBytes == 0 })
        await server.stop()
    }

    @Test("a client that says nothing is shown the door at the deadline")
    func silence() async throws {
        let server = try await LoopbackServer.start(simba, handshakeTimeout: .milliseconds(200))
        let end = Recorder()
        _ = try await connectPlain(server.port, end: end)
        #expect(await eventually { end.record.inactive })
        #expect(server.first?.record.tlsErrors == [.handshakeTimeout(milliseconds: 200)])
        await server.stop()
    }

    /// Runs `openssl s_client` against a fresh server.
    private func sClient(_ arguments: [String]) async throws -> (output: String, error: TLSError?) {
        let server = try await LoopbackServer.start(simba)
        let all =
            ["s_client", "-connect", "127.0.0.1:\(server.port)", "-CAfile", authority.folder + "/ca.pem"] + arguments
        let output: String = try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(with: Result { try openssl(all, input: "hello\n", seconds: 10, mayFail: true) })
            }
        }
        #expect(await eventually { server.first?.record.inactive == true })
        defer { server.channel.close(promise: nil) }
        return (output, server.first?.record.tlsErrors.first)
    }

    @Test("OpenSSL's own client with a good certificate is let in")
    func goodClient() async throws {
        let folder = try authority.issue(["roost://pride/client/okello"], usage: "clientAuth")
        let found = try await sClient([
            "-alpn", "h2,http/1.1", "-cert", folder + "/cert.pem", "-key", folder + "/key.pem",
        ])
        #expect(found.error == nil)
        #expect(found.output.contains("ALPN protocol: http/1.1"))
        #expect(found.output.contains("Verify return code: 0 (ok)"))
    }

    @Test("a client without a certificate is refused, and told so")
    func noCertificate() async throws {
        let found = try await sClient(["-alpn", "http/1.1", "-ign_eof"])
        #expect(found.error == .refusedPeer(.missing, certificate: ""))
        #expect(found.output.contains("certificate required"))
    }

    @Test("a client that speaks only TLS 1.2 is refused, and told so")
    func oldClient() async throws {
        let folder = try authority.issue(["roost://pride/client/okello"])
        let found = try await sClient([
            "-tls1_2", "-alpn", "http/1.1", "-cert", folder + "/cert.pem", "-key", folder + "/key.pem",
        ])
        #expect(found.error == .oldVersion)
        #expect(found.output.contains("alert protocol version"))
    }

    @Test("a client that offers no protocol by ALPN, as scripts do, is let in")
    func noProtocol() async throws {
        let folder = try authority.issue(["roost://pride/client/okello"], usage: "clientAuth")
        let found = try await sClient(["-cert", folder + "/cert.pem", "-key", folder + "/key.pem"])
        #expect(found.error == nil, "\(found.output.suffix(400))")
        #expect(found.output.contains("No ALPN negotiated"))
    }

    @Test("a client that offers other protocols only is refused, and told so")
    func otherProtocol() async throws {
        let folder = try authority.issue(["roost://pride/client/okello"])
        let found = try await sClient(["-alpn", "h2", "-cert", folder + "/cert.pem", "-key", folder + "/key.pem"])
        #expect(found.error == .noCommonProtocol)
        #expect(found.output.contains("no application protocol"))
    }
}
