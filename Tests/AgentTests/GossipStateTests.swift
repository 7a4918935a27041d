import Client
import Gossip
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Node
import SWIM
import TLS
import Testing
import Vocabulary

@testable import Agent

@Suite("Keys, revocations, members and addresses of the agent", .timeLimit(.minutes(1)))
struct GossipStateTests {
    private struct DiskIsFull: Error {}

    @Test("a key that the disk refuses is used and told on, and written when there is room")
    func fullDisk() async throws {
        let written = NIOLockedValueBox<[[UInt8]]>([])
        let failuresLeft = NIOLockedValueBox(3)
        let keeper = KeyKeeper(saved: nil, log: quietLogger(), pauseFirst: .milliseconds(1)) { _ in
        } write: { bytes in
            let fails = failuresLeft.withLockedValue { left in
                defer { left = max(0, left - 1) }
                return left > 0
            }
            if fails { throw DiskIsFull() }
            written.withLockedValue { $0.append(bytes) }
        }
        #expect(await keeper.merge(try Keyring.create(createdAt: 1)))
        let ring = try #require(keeper.current)
        #expect(await !keeper.merge(ring), "nothing new, and no reason to tell again")
        #expect(await eventually { written.withLockedValue { $0.count } == 1 })
        let saved = try KeyKeeper.Saved(from: written.withLockedValue { $0[0] })
        #expect(saved.keys == ring)
        let before = try KeyKeeper.Saved(from: API.JSON.encode(ring))
        #expect(before.keys == ring && before.retired == nil, "an agent from before wrote the list alone")

        let list = RevocationList(
            saved: [], cluster: try ClusterName("savanna"), log: quietLogger(), pauseFirst: .milliseconds(1)
        ) { bytes in
            let fails = failuresLeft.withLockedValue { left in
                defer { left = max(0, left - 1) }
                return left > 0
            }
            if fails { throw DiskIsFull() }
            written.withLockedValue { $0.append(bytes) }
        }
        failuresLeft.withLockedValue { $0 = 2 }
        #expect(await list.add(["roost://savanna/node/c", "nonsense"]))
        #expect(list.contains(node: try NodeName("c")))
        #expect(await eventually { written.withLockedValue { $0.count } == 2 })
    }

    @Test("after a success the next trouble with the disk is met with short pauses again")
    func pauses() async throws {
        let fails = NIOLockedValueBox(true)
        let saver = LatestSaver("test", log: quietLogger(), pauseFirst: .milliseconds(1)) {
            [1]
        } write: { _ in
            if fails.withLockedValue({ $0 }) { throw DiskIsFull() }
        }
        await saver.save()
        #expect(await eventually { await saver.pause >= .milliseconds(8) })
        fails.withLockedValue { $0 = false }
        #expect(await eventually { await saver.pause == .milliseconds(1) })
    }

    @Test("keys that come at once from many sides: the port and the disk end with the last ring", arguments: 0..<20)
    func racingKeys(attempt: Int) async throws {
        let used = NIOLockedValueBox<Keyring?>(nil)
        let written = NIOLockedValueBox<[UInt8]>([])
        let keeper = KeyKeeper(saved: nil, log: quietLogger()) { ring in
            used.withLockedValue { $0 = ring }
        } write: {
            bytes in
            await Task.yield()
            written.withLockedValue { $0 = bytes }
        }
        let others = try (UInt64(1)...8).map { try Keyring.create(createdAt: $0) }
        await withTaskGroup(of: Void.self) { group in
            for other in others { group.addTask { _ = await keeper.merge(other) } }
            group.addTask { _ = try? await keeper.createIfNeeded(revocations: 0) }
        }
        let last = try #require(keeper.current)
        #expect(used.withLockedValue { $0 } == last)
        #expect(
            await eventually {
                (try? KeyKeeper.Saved(from: written.withLockedValue { $0 }))?.keys == last
            })
    }

    @Test("keys from days ahead are not taken: they would push out all others, and no rotation could win")
    func keysAhead() async throws {
        let wall: UInt64 = 1_795_000_000_000
        let keeper = KeyKeeper(saved: nil, log: quietLogger(), wallMilliseconds: { wall }) { _ in
        } write: { _ in
        }
        let real = try Keyring.create(createdAt: wall)
        #expect(await keeper.merge(real))
        func key(_ id: UInt32, _ createdAt: UInt64) throws -> ClusterKey {
            try #require(ClusterKey(id: id, createdAt: createdAt, bytes: [UInt8](repeating: 1, count: 32)))
        }
        let hostile = Keyring(try (0..<4).map { try key(.max - $0, .max) })
        #expect(await !keeper.merge(hostile))
        #expect(keeper.current == real)
        let day = KeyKeeper.aheadMax
        #expect(await keeper.merge(Keyring([try key(7, wall + day), try key(8, wall + day + 1)])))
        #expect(
            keeper.current?.keys.map(\.id) == [7, try #require(real.primary?.id)], "clocks differ by hours, not by days"
        )
        let newcomer = KeyKeeper(saved: nil, log: quietLogger(), wallMilliseconds: { wall }) { _ in
        } write: { _ in
        }
        #expect(await !newcomer.merge(hostile))
        #expect(newcomer.current == nil, "none is better than one that nobody else has")
    }

    @Test("another cluster's names do not fill the list of the revoked, and one that is full is told of")
    func revocationBound() async throws {
        let written = NIOLockedValueBox(0)
        func list(_ saved: [String]) throws -> RevocationList {
            RevocationList(saved: saved, cluster: try ClusterName("savanna"), log: quietLogger()) { _ in
                written.withLockedValue { $0 += 1 }
            }
        }
        let desert = (0..<RevocationList.countMax).map { "roost://desert/node/n\($0)" }
        let empty = try list(desert)
        #expect(empty.all.isEmpty, "also when they are on the disk")
        #expect(await !empty.add(desert))
        #expect(await empty.add(["roost://savanna/node/c"]) && empty.all.count == 1)
        let full = try list((0..<RevocationList.countMax).map { "roost://savanna/client/n\($0)" })
        #expect(await !full.add(["roost://savanna/node/c"]))
        let c = try NodeName("c")
        #expect(!full.contains(uri: "roost://savanna/node/c") && !full.contains(node: c))
    }

    @Test("who asks to revoke a name is told when there is no room for it")
    func revokeWhenFull() async throws {
        let bed = try TestBed()
        let a = try await TestAgent.start(bed, "a")
        let connection = try await ClientConnection.connect(
            to: .https(a.endpoint), tls: bed.identity(.admin, "amina"), eventLoopGroup: TestBed.group)
        func revoke(_ name: String) async throws -> (status: Int, text: String) {
            let answer = try await connection.ask(
                "POST", "/v1/revoke", headers: ["Content-Type": "application/json"],
                body: .bytes(ByteBuffer(string: "{\"name\":\"\(name)\"}")))
            return (answer.status, answer.text)
        }
        #expect(try await revoke("c").status == 200)
        _ = await a.core.revoked.add((0..<RevocationList.countMax).map { "roost://savanna/client/n\($0)" })
        let refusal = try await revoke("d")
        #expect(refusal.status == 507 && refusal.text.contains("revocations_full"), "\(refusal)")
        #expect(try await revoke("c").status == 200, "it is in the list")
        await a.stop()
    }

    @Test("the digest of members is of this text, and nodes that differ in the departed alone agree")
    func membersDigest() throws {
        let key = try #require(ClusterKey(id: 7, createdAt: 9, bytes: Array(0..<32)))
        let revoked = ["roost://savanna/node/z", "roost://savanna/client/y"]
        let present = [try claim("b", .suspect, 3), try claim("a")]
        let text = MembersDigest.text(present, Keyring([key]), revoked)
        #expect(
            text == """
                member a 1 0 alive
                member b 1 3 suspect
                key 7 9 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
                revoked roost://savanna/client/y
                revoked roost://savanna/node/z
                """)
        func digest(_ claims: [Claim]) throws -> String {
            MembersDigest(node: try NodeName("a"), holds: 0, claims: claims, keyring: Keyring([key]), revoked: revoked)
                .digest
        }
        #expect(try digest(present) == SHA256.digest(Array(text.utf8)).hex)
        #expect(try digest(present + [claim("c", .crashed), claim("d", .left)]) == (try digest(present)))
        #expect(try digest(present + [claim("c")]) != (try digest(present)), "whoever missed its crash has it still")
        #expect(try digest([claim("a"), claim("b", .crashed, 3)]) != (try digest(present)))
    }

    private func claim(_ name: String, _ status: Status = .alive, _ incarnation: UInt32 = 0) throws -> Claim {
        Claim(
            name: try NodeName(name), endpoint: try TestBed.loopback(7667), epoch: 1,
            incarnation: Incarnation(incarnation), status: status, metadata: .standard)
    }

    @Test("what a revoked node says, and what is said of it, does not count")
    func filter() async throws {
        let list = RevocationList(
            saved: ["roost://savanna/node/c", "roost://savanna/client/b", "roost://desert/node/a"],
            cluster: try ClusterName("savanna"), log: quietLogger()
        ) { _ in }
        let claims = [try claim("a"), try claim("b"), try claim("c")]
        #expect(list.admitted(claims).map(\.name.text) == ["a", "b"])
        let packet = Packet(from: try NodeName("a"), message: .gossip, claims: claims)
        #expect(list.admitted(packet)?.claims.map(\.name.text) == ["a", "b"])
        #expect(list.admitted(Packet(from: try NodeName("c"), message: .gossip, claims: claims)) == nil)
    }

    @Test(
        "members that were not met are remembered from start to start, within a bound; who left or is forgotten is not")
    func savedMembers() async throws {
        let disk = NIOLockedValueBox<[UInt8]>([])
        let me = try NodeName("a")
        func start() throws -> SavedMembers {
            try SavedMembers(disk.withLockedValue { $0 }, me: me) { bytes in disk.withLockedValue { $0 = bytes } }
        }
        try await start().save([try claim("a"), try claim("b"), try claim("c", .crashed), try claim("d", .left)])
        let second = try start()
        #expect(second.unmet.map(\.name.text) == ["b", "c"])
        #expect(second.atStart.map(\.text) == ["b"], "the crashed is looked for, and not waited for")
        // It meets b only, and still remembers c.
        try await second.save([try claim("a"), try claim("b")])
        #expect(second.unmet.map(\.name.text) == ["c"])
        let third = try start()
        let gone = try NodeName("c")
        #expect(third.unmet.map(\.name.text) == ["b", "c"] && third.remembers(gone))
        third.forget(gone)
        try await third.save([try claim("a")])
        #expect(try start().unmet.map(\.name.text) == ["b"])
        try await start().save(try (0..<1_000).map { try claim("n\($0)") })
        #expect(try start().unmet.count == SavedMembers.unmetMax)
    }

    @Test("who was absent for 37 days, in however many lives of this node, is called no more")
    func absentMembers() async throws {
        let disk = NIOLockedValueBox<[UInt8]>([])
        let day: UInt64 = 24 * 3600 * 1000
        let today = NIOLockedValueBox<UInt64>(20_000 * day)
        let me = try NodeName("a")
        func start() throws -> SavedMembers {
            try SavedMembers(
                disk.withLockedValue { $0 }, me: me, wallMilliseconds: { today.withLockedValue { $0 } }
            ) { bytes in disk.withLockedValue { $0 = bytes } }
        }
        try await start().save([try claim("a"), try claim("b"), try claim("c", .crashed)])
        for _ in 0..<3 {
            today.withLockedValue { $0 += 12 * day }
            try await start().save([try claim("a"), try claim("b")])
        }
        #expect(try start().unmet.map(\.name.text) == ["b", "c"])
        today.withLockedValue { $0 += day }
        #expect(try start().unmet.map(\.name.text) == ["b"], "c has been away for 37 days, b was there yesterday")
        // The clock that was wrong is set back: nobody is struck off for that.
        today.withLockedValue { $0 -= 40 * day }
        #expect(try start().unmet.map(\.name.text) == ["b", "c"])
    }

    @Test("an address that others see takes the place of loopback, and of nothing else")
    func seenAs() throws {
        let own = try TestBed.loopback(7667)
        func better(_ own: Endpoint, _ seen: String?) -> String? {
            AdvertisedEndpoint.better(than: own, seenAs: seen)?.description
        }
        #expect(better(own, "10.0.0.7:51234") == "10.0.0.7:7667")
        #expect(better(own, "[::ffff:10.0.0.7]:51234") == "10.0.0.7:7667")
        #expect(better(own, "[fd00::7]:51234") == "[fd00::7]:7667")
        #expect(better(own, "127.0.0.1:51234") == nil)
        #expect(better(own, "unix") == nil)
        #expect(better(own, nil) == nil)
        #expect(better(try Endpoint(host: "10.0.0.3", port: 7667), "10.0.0.7:51234") == nil)
        var settings = AgentSettings()
        #expect(AdvertisedEndpoint.isGuess(settings))
        settings.advertise = try Endpoint(host: "simba.example", port: 0)
        #expect(!AdvertisedEndpoint.isGuess(settings))
        #expect(throws: StartError.self) { _ = try AdvertisedEndpoint.of(settings, port: 7667) }
    }

    @Test("events are told in the order in which they happened, however many threads feed the node")
    func orderOfEvents() async throws {
        let told = NIOLockedValueBox<[UInt32]>([])
        let machine = NodeMachine(
            NodeMachine.Identity(
                name: try NodeName("a"), cluster: try ClusterName("savanna"), epoch: 1,
                endpoint: try TestBed.loopback(1), metadata: .standard), settings: .init(), at: NodeDriver.now)
        let driver = NodeDriver(machine, seed: 1, eventLoop: TestBed.group.next()) { effect in
            guard case .event(let event) = effect else { return true }
            // As a log line that waits for a slow disk: others come by meanwhile.
            let end = ContinuousClock.now + .microseconds(event.incarnation.number % 3 == 0 ? 300 : 10)
            while ContinuousClock.now < end {}
            told.withLockedValue { $0.append(event.incarnation.number) }
            return true
        }
        let b = try NodeName("b")
        await withTaskGroup(of: Void.self) { group in
            for thread in UInt32(0)..<4 {
                group.addTask {
                    for step in UInt32(0)..<200 {
                        let incarnation = step * 4 + thread
                        guard
                            let claim = try? claim("b", step % 2 == 0 ? .alive : .draining, incarnation)
                        else { return }
                        driver.feed(
                            .membership(
                                .packet(
                                    Packet(from: b, message: .gossip, claims: [claim]), from: claim.endpoint)))
                    }
                }
            }
        }
        driver.stop()
        let order = told.withLockedValue { $0 }
        #expect(order.count > 1)
        #expect(order == order.sorted())
    }
}
