import Client
import Foundation
import NIOCore
import NIOPosix
import TLS
import Testing
import Vocabulary

@testable import Agent

/// Real TLS and sockets over loopback, whose every address is this host's: strangers have one, clients another.
@Suite("What a crowd can not do", .timeLimit(.minutes(1)))
struct FloodTests {
    let bed: TestBed
    let node: NodeName

    init() throws {
        bed = try TestBed()
        node = try NodeName("simba")
    }

    private func serve(_ change: (inout ServerLimits) -> Void) async throws -> RunningServer {
        var limits = ServerLimits()
        change(&limits)
        let credentials = CurrentCredentials(try bed.identity(.node, "simba"))
        return RunningServer(
            try await APIServer.bind(
                .init(tls: (TestBed.loopback(), credentials)), node: node, router: testRouter(), limits: limits,
                logger: quietLogger()))
    }

    private func call(_ running: RunningServer, _ identity: TLSContext) async throws -> ClientConnection {
        try await ClientConnection.connect(
            to: .https(running.endpoint), tls: identity, expecting: .node(node), eventLoopGroup: TestBed.group)
    }

    /// A connection from another address that says these bytes and no more.
    private func stranger(_ running: RunningServer, saying bytes: [UInt8] = []) async throws -> any Channel {
        let channel = try await ClientBootstrap(group: TestBed.group)
            .bind(to: SocketAddress(ipAddress: "127.0.0.66", port: 0))
            .connect(host: "127.0.0.1", port: Int(running.endpoint.port)).get()
        if !bytes.isEmpty { try? await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get() }
        return channel
    }

    /// Whether a stranger's connection is closed before it has said anything, at its connect or just after.
    private func isRefused(_ running: RunningServer) async -> Bool {
        guard let channel = try? await stranger(running) else { return true }
        return await eventually(5) { !channel.isActive }
    }

    @Test("no stranger chooses a dear key exchange", arguments: ["ffdhe8192", "ffdhe2048", "P-521", "X448"])
    func dearGroups(group: String) async throws {
        let running = try await serve { _ in }
        func shakes(_ groups: String) throws -> String {
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/openssl")
            process.arguments = ["s_client", "-connect", "\(try running.endpoint)", "-groups", groups]
            let output = Pipe()
            (process.standardInput, process.standardOutput) = (FileHandle.nullDevice, output)
            process.standardError = output
            try process.run()
            let bytes = output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            return String(decoding: bytes, as: UTF8.self)
        }
        #expect(try shakes(group).contains("handshake failure"))
        #expect(try shakes("\(group):P-256").contains("Server Temp Key: ECDH, prime256v1"))
    }

    @Test("a stranger that has as many half-open connections as it may is refused, and a client gets in")
    func halfOpen() async throws {
        let running = try await serve {
            $0.handshakes.strangersPerSourceMax = 8
            ($0.handshakes.silence, $0.handshakes.patience) = (.hours(1), .hours(1))
        }
        var held: [any Channel] = []
        for number in 0..<8 { held.append(try await stranger(running, saying: number % 2 == 0 ? [] : [0x16])) }
        #expect(await eventually { running.server.handshakes.underWay.strangers == 8 })
        for _ in 0..<5 { #expect(await isRefused(running)) }
        #expect(running.server.failures.counts[.crowded] == 5)
        #expect(held.allSatisfy { $0.isActive })
        #expect(try await call(running, bed.identity(.reader, "nyota")).ask("GET", "/v1/members").status == 200)
        for channel in held { try? await channel.close() }
        #expect(await eventually { running.server.handshakes.underWay.strangers == 0 })
    }

    @Test("a client gets in from an address that holds all its places with half-open connections: the oldest gives way")
    func halfOpenOfOwn() async throws {
        let running = try await serve { ($0.handshakes.knownPerSourceMax, $0.handshakes.patience) = (8, .hours(1)) }
        running.server.handshakes.welcome("127.0.0.1")
        var held: [any Channel] = []
        for number in 0..<8 {
            let channel = try await ClientBootstrap(group: TestBed.group)
                .connect(host: "127.0.0.1", port: Int(running.endpoint.port)).get()
            if number % 2 == 0 { try? await channel.writeAndFlush(ByteBuffer(bytes: [0x16])).get() }
            held.append(channel)
        }
        #expect(await eventually { running.server.handshakes.underWay.known == 8 })
        let identity = try bed.identity(.reader, "nyota")
        #expect(
            await eventually {
                (try? await call(running, identity).ask("GET", "/v1/members").status) == 200
            })
        #expect(await eventually { held.contains { !$0.isActive } })
        #expect(held.contains { $0.isActive })
        for channel in held { try? await channel.close() }
    }

    @Test(
        "who has sent its ClientHello gets in at once past those who have not, whatever its address holds",
        arguments: [false, true])
    func spoken(isKnown: Bool) async throws {
        let running = try await serve {
            ($0.handshakes.strangersPerSourceMax, $0.handshakes.knownSilentPerSourceMax) = (4, 4)
            ($0.handshakes.silence, $0.handshakes.patience) = (.hours(1), .hours(1))
        }
        if isKnown { running.server.handshakes.welcome("127.0.0.1") }
        var held: [any Channel] = []
        for _ in 0..<4 {
            let channel = try await ClientBootstrap(group: TestBed.group)
                .connect(host: "127.0.0.1", port: Int(running.endpoint.port)).get()
            try await channel.writeAndFlush(ByteBuffer(bytes: [0x16])).get()
            held.append(channel)
        }
        func underWay() -> Int {
            running.server.handshakes.underWay.strangers + running.server.handshakes.underWay.known
        }
        #expect(await eventually { underWay() == 4 })
        #expect(try await call(running, bed.identity(.reader, "nyota")).ask("GET", "/v1/members").status == 200)
        // A known address has other places beside those of the silent.
        #expect(await eventually { held.count { !$0.isActive } == (isKnown ? 0 : 1) })
        for channel in held { try? await channel.close() }
    }

    @Test("a connection that says nothing is not even accepted at first: the kernel keeps it")
    func notAccepted() async throws {
        let running = try await serve { $0.silentSeconds = 30 }
        let held = try await stranger(running)
        let client = try await call(running, bed.identity(.reader, "nyota"))
        #expect(try await client.ask("GET", "/v1/members").status == 200)
        #expect(running.server.connections == 1)
        try await held.writeAndFlush(ByteBuffer(bytes: [0x16])).get()
        #expect(await eventually { running.server.connections == 2 })
        #expect(try await client.ask("GET", "/v1/members").status == 200)
        try? await held.close()
    }

    @Test("half-open connections end with the time that a handshake has, and their places are free again")
    func handshakeTime() async throws {
        let running = try await serve {
            $0.handshakeTimeout = .milliseconds(300)
            $0.handshakes.strangersPerSourceMax = 8
        }
        for _ in 0..<2 {
            var held: [any Channel] = []
            for _ in 0..<8 { held.append(try await stranger(running, saying: [0x16, 0x03])) }
            #expect(await eventually { held.allSatisfy { !$0.isActive } })
        }
        #expect(running.server.failures.counts[.handshakeTimeout] == 16)
        #expect(
            await eventually { running.server.connections == 0 && running.server.handshakes.underWay.strangers == 0 })
    }

    @Test(
        "strangers who fail again and again are refused before their handshake; an address that has proven itself is not"
    )
    func failing() async throws {
        let running = try await serve {
            $0.handshakes.failuresMax = 10
            $0.handshakes.failureRefill = .hours(1)
        }
        let identity = try bed.identity(.reader, "nyota")
        #expect(try await call(running, identity).ask("GET", "/v1/members").status == 200)
        // Its first is of those for addresses that have not failed, the others of the half for all.
        for _ in 0..<6 {
            let channel = try await stranger(running, saying: Array("GET / HTTP/1.1\r\n\r\n".utf8))
            #expect(await eventually { !channel.isActive })
        }
        #expect(await isRefused(running))
        #expect(running.server.failures.counts[.crowded] == 1)
        #expect(running.server.failures.counts[.notTLS] == 6)
        for _ in 0..<20 { #expect(try await call(running, identity).ask("GET", "/v1/members").status == 200) }
    }

    @Test("a member's address gets in while strangers fill all the places that they have")
    func memberAddress() async throws {
        let running = try await serve {
            // As when all of them are taken.
            $0.handshakes.strangersMax = 0
        }
        let identity = try bed.identity(.node, "mkango")
        await #expect(throws: (any Error).self) { _ = try await call(running, identity).ask("GET", "/v1/members") }
        running.server.handshakes.welcome("127.0.0.1")
        #expect(try await call(running, identity).ask("GET", "/v1/members").status == 200)
    }

    @Test("one certificate's holder has a bounded number of connections: an idle one of its own gives way, others stay")
    func connectionsOfOne() async throws {
        let running = try await serve { $0.connectionsPerIdentityMax = 3 }
        let other = try await call(running, bed.identity(.reader, "other"))
        #expect(try await other.ask("GET", "/v1/members").status == 200)
        let greedy = try bed.identity(.reader, "greedy")
        var all: [ClientConnection] = []
        for _ in 0..<6 {
            all.append(try await call(running, greedy))
            #expect(try await all.last?.ask("GET", "/v1/members").status == 200)
        }
        #expect(await eventually { running.server.connections == 4 })
        #expect(await eventually { all.count { $0.isOpen } == 3 })
        #expect(all.last?.isOpen == true)
        #expect(other.isOpen)
        // With all three busy there is no way for a fourth.
        var busy: [Task<Void, Never>] = []
        for connection in all where connection.isOpen {
            busy.append(Task { _ = try? await connection.ask("GET", "/v1/never") })
        }
        #expect(await eventually { running.server.table.busyCount == 3 })
        await #expect(throws: (any Error).self) { _ = try await call(running, greedy).ask("GET", "/v1/members") }
        #expect(running.server.failures.counts[.crowdedIdentity] == 1)
        #expect(try await other.ask("GET", "/v1/members").status == 200)
        for task in busy { task.cancel() }
    }

    @Test(
        "one certificate's holder has a bounded number of requests under way: the next is told to wait, others are served"
    )
    func requestsOfOne() async throws {
        let running = try await serve { $0.requestsPerIdentityMax = 2 }
        let greedy = try bed.identity(.reader, "greedy")
        var busy: [Task<Void, Never>] = []
        for _ in 0..<2 {
            let connection = try await call(running, greedy)
            busy.append(Task { _ = try? await connection.ask("GET", "/v1/never") })
        }
        #expect(await eventually { running.server.table.busyCount == 2 })
        let refused = try await call(running, greedy).ask("GET", "/v1/members")
        #expect(refused.status == 503)
        #expect(refused.headers["retry-after"] == "1")
        #expect(refused.text.contains("too_many_requests"))
        #expect(try await call(running, bed.identity(.reader, "other")).ask("GET", "/v1/members").status == 200)
        for task in busy { task.cancel() }
    }

    @Test("a request that ends makes room for another of its holder")
    func requestsEnd() throws {
        let requests = RequestsUnderWay(max: 2)
        let name = try bed.identity(.reader, "greedy").credentials.name
        #expect(requests.begin(name) && requests.begin(name) && !requests.begin(name))
        requests.end(name)
        #expect(requests.begin(name) && !requests.begin(name))
        #expect(requests.begin(nil))
    }
}

extension ConnectionTable {
    /// Connections with a request under way.
    fileprivate var busyCount: Int {
        var count = 0
        forEach { if $0.idleSince == nil { count += 1 } }
        return count
    }
}
