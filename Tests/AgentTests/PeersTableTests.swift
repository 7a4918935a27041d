import Client
import NIOCore
import Node
import NIOPosix
import TLS
import Testing
import Vocabulary

@testable import Agent

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite("The peers table", .timeLimit(.minutes(2)))
struct PeersTableTests {
    let bed: TestBed

    init() throws { bed = try TestBed() }

    private func serve(_ name: String, gate: (any InboundGate)? = nil) async throws -> RunningServer {
        RunningServer(
            try await APIServer.bind(
                .init(tls: (TestBed.loopback(), CurrentCredentials(bed.identity(.node, name)))), node: NodeName(name),
                router: testRouter(), gate: gate, logger: quietLogger()))
    }

    private func table(_ name: String, max: Int, perPeer: Int = 8, wait: Duration = .seconds(5)) throws -> PeersTable {
        var settings = PeersTable.Settings(peersMax: max)
        settings.placeTimeout = wait
        settings.connectionsPerPeerMax = perPeer
        return PeersTable(settings: settings, credentials: CurrentCredentials(try bed.identity(.node, name)))
    }

    private func get(_ path: String = "/v1/members") -> ClientRequest { ClientRequest("GET", path) }

    @Test("never more than peers.max are connected, and 60 requests at once to six peers all succeed")
    func limit() async throws {
        let names = ["a", "b", "c", "d", "e", "f"]
        var servers: [(NodeName, RunningServer)] = []
        for name in names { servers.append((try NodeName(name), try await serve(name))) }
        let table = try table("caller", max: 2, wait: .seconds(60))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for round in 0..<60 {
                let (name, server) = servers[round % servers.count]
                group.addTask {
                    let response = try await table.request(to: name, at: server.endpoint, get(), idempotent: true)
                    #expect(response.status == 200)
                    #expect(response.headers["roost-node"] == name.text)
                    #expect(await table.snapshot.count <= 2)
                    _ = try await response.body.collect(upTo: 1024)
                }
            }
            try await group.waitForAll()
        }
        #expect(await table.snapshot.count <= 2)
    }

    @Test("an idle connection is used again, and the least recently used peer gives way")
    func eviction() async throws {
        let a = try await serve("a")
        let b = try await serve("b")
        let c = try await serve("c")
        let table = try table("caller", max: 2)
        for (name, server) in [("a", a), ("b", b), ("a", a), ("c", c)] {
            let response = try await table.request(
                to: NodeName(name), at: server.endpoint, get(), idempotent: true)
            _ = try await response.body.collect(upTo: 1024)
        }
        let snapshot = await table.snapshot
        #expect(snapshot.map(\.name.text) == ["a", "c"])
        #expect(snapshot.first?.requestsSent == 2)
        #expect(snapshot.first?.outboundConnections == 1)
        #expect(await eventually { b.server.connections == 0 })
    }

    @Test("what is not used is closed one peer at a time, the longest unused first, and nothing that is used")
    func idlest() async throws {
        let table = try table("caller", max: 8)
        var servers: [RunningServer] = []
        for name in ["a", "b", "c"] {
            let server = try await serve(name)
            servers.append(server)
            let response = try await table.request(to: NodeName(name), at: server.endpoint, get(), idempotent: true)
            _ = try await response.body.collect(upTo: 1024)
        }
        func connected() async -> [String] { await table.snapshot.map(\.name.text).sorted() }
        #expect(await connected() == ["a", "b", "c"])
        await table.closeIdlest(unusedFor: .seconds(60))
        #expect(await connected() == ["a", "b", "c"], "all were used a moment ago")
        await table.closeIdlest(unusedFor: .zero)
        #expect(await connected() == ["b", "c"])
        await table.closeIdlest(unusedFor: .zero)
        #expect(await connected() == ["c"])
    }

    @Test("when all places are busy a request waits, and fails after its time; it succeeds when a place comes free")
    func busy() async throws {
        let a = try await serve("a")
        let b = try await serve("b")
        let toA = try a.endpoint
        let toB = try b.endpoint
        let nameA = try NodeName("a")
        let nameB = try NodeName("b")
        let hasty = try table("hasty", max: 1, wait: .milliseconds(300))
        let held = try await hasty.request(to: nameA, at: toA, get("/v1/large"), idempotent: true)
        let error = await #expect(throws: PeersError.self) {
            _ = try await hasty.request(to: nameB, at: toB, get(), idempotent: true)
        }
        #expect(error == .allBusy(peer: nameB, max: 1))
        #expect(held.status == 200)
        // A patient one is served as soon as the answer under way has been read.
        let patient = try table("patient", max: 1, wait: .seconds(60))
        let large = try await patient.request(to: nameA, at: toA, get("/v1/large"), idempotent: true)
        let waiting = Task { try await patient.request(to: nameB, at: toB, get(), idempotent: true).status }
        #expect(await eventually { await patient.waiters.count == 1 })
        for try await _ in large.body {}
        #expect(try await waiting.value == 200)
    }

    @Test("a node that answers under another name is refused")
    func wrongName() async throws {
        let a = try await serve("a")
        let table = try table("caller", max: 2)
        let name = try NodeName("b")
        let endpoint = try a.endpoint
        await #expect(throws: ClientError.self) {
            _ = try await table.request(to: name, at: endpoint, get(), idempotent: true)
        }
        #expect(await table.snapshot.isEmpty)
    }

    @Test("a request over a connection that the peer closed meanwhile is repeated over a new one")
    func stale() async throws {
        let table = try table("caller", max: 2)
        let name = try NodeName("a")
        let first = try await serve("a")
        let endpoint = try first.endpoint
        _ = try await table.request(to: name, at: endpoint, get(), idempotent: true).body.collect(upTo: 1024)
        first.server.stop()
        try await first.ended()
        let second = RunningServer(
            try await APIServer.bind(
                .init(tls: (endpoint, CurrentCredentials(again("a")))), node: name, router: testRouter(),
                logger: quietLogger()))
        let response = try await table.request(to: name, at: endpoint, get(), idempotent: true)
        #expect(response.status == 200)
        #expect(second.server.connections == 1)
    }

    /// The certificate that was issued to the name before.
    private func again(_ name: String) throws -> TLSContext {
        try TLSContext(credentials: Credentials(folder: "\(bed.folder.path)/node-\(name)"))
    }

    @Test("an inbound peer beyond peers.max gets 503 while all are busy, and takes an idle one's place else")
    func inbound() async throws {
        let gate = try table("simba", max: 1)
        let server = try await serve("simba-host", gate: gate)
        let host = try NodeName("simba-host")
        let one = try table("one", max: 1)
        let two = try table("two", max: 1)
        let endpoint = try server.endpoint
        // Given a peer whose large answer is under way,
        let held = try await one.request(to: host, at: endpoint, get("/v1/large"), idempotent: true)
        // when another calls,
        let refused = try await two.request(to: host, at: endpoint, get(), idempotent: true)
        // then it is told to come again;
        #expect(refused.status == 503)
        #expect(refused.headers["retry-after"] == "1")
        #expect(try String(buffer: await refused.body.collect(upTo: 4096)).contains("peers_busy"))
        // and when the first is done, it gets in.
        for try await _ in held.body {}
        #expect(
            try await eventually {
                let response = try await two.request(to: host, at: endpoint, get(), idempotent: true)
                _ = try await response.body.collect(upTo: 4096)
                return response.status == 200
            })
        let snapshot = await gate.snapshot
        #expect(snapshot.map(\.name.text) == ["two"])
        #expect(snapshot.first?.inboundConnections == 1)
    }

    @Test("who is answered without asking others gets in while a place is left for that alone, as an offer does")
    func lastPlace() async throws {
        let gate = try table("simba", max: 2)
        let server = try await serve("simba-host", gate: gate)
        let host = try NodeName("simba-host")
        let one = try table("one", max: 1)
        let two = try table("two", max: 1)
        let endpoint = try server.endpoint
        let held = try await one.request(to: host, at: endpoint, get("/v1/large"), idempotent: true)
        for (path, isRefused) in [
            ("/v1/peer/write", true), ("/v1/resources/peer/offer", true), ("/v1/peer/blobs/00", true),
            ("/v1/peer/offer", false), ("/v2/peer/compare", false), ("/v1/peer/versions/a", false),
        ] {
            let answer = try await two.request(to: host, at: endpoint, get(path), idempotent: true)
            _ = try await answer.body.collect(upTo: 4096)
            #expect((answer.status == 503) == isRefused, "\(path): \(answer.status)")
        }
        #expect(await gate.snapshot.map(\.name.text).sorted() == ["one", "two"])
        for try await _ in held.body {}
    }

    @Test("requests of one kind that last leave places for every other kind", arguments: PeersTable.Kind.allCases)
    func kinds(kind: PeersTable.Kind) async throws {
        let a = try await serve("a")
        let table = try table("caller", max: 2, perPeer: PeersTable.Kind.allCases.count, wait: .milliseconds(200))
        let name = try NodeName("a")
        let endpoint = try a.endpoint
        // Given one answer that nobody reads, of a kind that has all the places that it may have,
        let held = try await table.request(to: name, at: endpoint, get("/v1/large"), idempotent: true, kind: kind)
        // when another of the same kind is asked for, then it is refused;
        let error = await #expect(throws: PeersError.self) {
            _ = try await table.request(to: name, at: endpoint, get(), idempotent: true, kind: kind)
        }
        #expect(error == .peerBusy(name, connections: 1))
        // and one of each other kind is served.
        for other in PeersTable.Kind.allCases where other != kind {
            let served = try await table.request(to: name, at: endpoint, get(), idempotent: true, kind: other)
            _ = try await served.body.collect(upTo: 1024)
        }
        #expect(held.status == 200)
        await held.body.discard(upTo: 0)
        #expect(await eventually { await table.snapshot.allSatisfy { !$0.isBusy } })
    }

    @Test("who has others to ask does not wait for a place")
    func patience() async throws {
        let a = try await serve("a")
        let b = try await serve("b")
        let (nameA, nameB) = (try NodeName("a"), try NodeName("b"))
        let table = try table("caller", max: 1, wait: .seconds(600))
        let held = try await table.request(to: nameA, at: a.endpoint, get("/v1/large"), idempotent: true, kind: .bulk)
        #expect(await table.connectedPeers == [nameA])
        let endpoint = try b.endpoint
        let error = await #expect(throws: PeersError.self) {
            _ = try await table.request(to: nameB, at: endpoint, get(), idempotent: true, patience: .hasOthers)
        }
        #expect(error == .allBusy(peer: nameB, max: 1))
        // An idle one gives way at once.
        for try await _ in held.body {}
        let response = try await table.request(
            to: nameB, at: endpoint, get(), idempotent: true, patience: .hasOthers)
        #expect(response.status == 200)
        #expect(await table.connectedPeers == [nameB])
    }

    @Test("a member that is gone loses its connections: requests under way fail at once, and are not repeated")
    func disconnect() async throws {
        let a = try await serve("a")
        let table = try table("caller", max: 2)
        let name = try NodeName("a")
        let endpoint = try a.endpoint
        // Given a connection that has served before, and waits for an answer that does not come,
        _ = try await table.request(to: name, at: endpoint, get(), idempotent: true).body.collect(upTo: 1024)
        let waiting = Task { _ = try await table.request(to: name, at: endpoint, get("/v1/never"), idempotent: true) }
        #expect(await eventually { await table.snapshot.first?.isBusy == true })
        // when the member is declared gone,
        await table.disconnect(name)
        // then the request fails, and no new connection is made for it.
        await #expect(throws: ClientError.self) { try await waiting.value }
        #expect(await table.connectedPeers.isEmpty)
        #expect(a.server.connections <= 1)
        // One that is back is called anew, and counted from nothing.
        let again = try await table.request(to: name, at: endpoint, get(), idempotent: true)
        _ = try await again.body.collect(upTo: 1024)
        let snapshot = await table.snapshot
        #expect(snapshot.map(\.requestsSent) == [1])
        #expect(snapshot.map(\.isBusy) == [false])
    }

    @Test("a request that was connecting when its member went does not count for the member that is back")
    func disconnectWhileConnecting() async throws {
        // Given a listener that never speaks TLS,
        let mute = try await ServerBootstrap(group: TestBed.group).bind(host: "127.0.0.1", port: 0).get()
        let muteEndpoint = try TestBed.loopback(UInt16(mute.localAddress?.port ?? 0))
        let a = try await serve("a")
        let table = try table("caller", max: 2)
        let name = try NodeName("a")
        let connecting = Task { _ = try await table.request(to: name, at: muteEndpoint, get(), idempotent: true) }
        #expect(await eventually { await table.snapshot.first?.isConnecting == true })
        // when the member goes and comes back while it waits there,
        await table.disconnect(name)
        let held = try await table.request(to: name, at: a.endpoint, get("/v1/large"), idempotent: true, kind: .bulk)
        connecting.cancel()
        await #expect(throws: (any Error).self) { try await connecting.value }
        // then only the new one counts.
        let snapshot = await table.snapshot
        #expect(snapshot.map(\.isConnecting) == [false])
        #expect(snapshot.map(\.outboundConnections) == [1])
        #expect(held.status == 200)
        try await mute.close()
    }

    @Test("an answer without a body is discarded and its connection serves again", arguments: ["HEAD", "GET"])
    func discardEmpty(method: String) async throws {
        let a = try await serve("a")
        let table = try table("caller", max: 2)
        let name = try NodeName("a")
        let endpoint = try a.endpoint
        for _ in 0..<3 {
            let response = try await table.request(
                to: name, at: endpoint, ClientRequest(method, method == "HEAD" ? "/v1/members" : "/v1/unchanged"),
                idempotent: true, kind: .bulk)
            #expect(response.status == (method == "HEAD" ? 200 : 304))
            await response.body.discard()
            let snapshot = await table.snapshot
            #expect(snapshot.map(\.isBusy) == [false])
            #expect(snapshot.map(\.outboundConnections) == [1])
        }
        #expect(a.server.connections == 1)
    }

    @Test("the kernel is asked to end connections whose other side has vanished")
    func liveness() async throws {
        let listener = try await ServerBootstrap(group: TestBed.group).bind(host: "127.0.0.1", port: 0).get()
        let channel = try await ClientBootstrap(group: TestBed.group).channelInitializer { channel in
            TCPLiveness.watch(channel, unconfirmedSeconds: TCPLiveness.callerSeconds)
            return channel.eventLoop.makeSucceededVoidFuture()
        }.connect(to: #require(listener.localAddress)).get()
        #expect(try await channel.getOption(.socketOption(.so_keepalive)).get() != 0)
        #if os(Linux)
            #expect(try await channel.getOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE))).get() == 15)
            #expect(try await channel.getOption(.tcpOption(.init(rawValue: TCP_USER_TIMEOUT))).get() == 30_000)
        #endif
        try await channel.close()
        try await listener.close()
    }

    @Test("after closeAll nothing is connected and nobody is called")
    func closeAll() async throws {
        let a = try await serve("a")
        let table = try table("caller", max: 2)
        let name = try NodeName("a")
        let endpoint = try a.endpoint
        _ = try await table.request(to: name, at: endpoint, get(), idempotent: true).body.collect(upTo: 1024)
        await table.closeAll()
        #expect(await table.snapshot.isEmpty)
        #expect(await eventually { a.server.connections == 0 })
        let error = await #expect(throws: PeersError.self) {
            _ = try await table.request(to: name, at: endpoint, get(), idempotent: true)
        }
        #expect(error == .closed)
    }
}
