import Authority
import Client
import FoundationEssentials
import Glibc
import Gossip
import SWIM
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("the cluster's keys are changed while it runs")
    struct KeysTests {
        private func keys(_ cluster: TestCluster, _ name: String) async throws -> API.Keys {
            let client = try await cluster.client(name, role: .admin)
            let keys = try await client.keys()
            await client.close()
            return keys
        }

        /// Waits until all have one key, the same, with nothing under way.
        @discardableResult
        private func calm(_ cluster: TestCluster, _ names: [String], besides former: Set<String> = []) async throws
            -> String
        {
            try await Patience.wait(atMost: .seconds(90), for: "one key on \(names)") {
                var found: Set<String> = []
                for name in names {
                    let keys = try await keys(cluster, name)
                    guard keys.rotating == false, keys.keys.count == 1, keys.keys[0].members == names.count else {
                        return .notYet("\(name): \(keys)")
                    }
                    found.insert(keys.keys[0].id)
                }
                guard found.count == 1, let id = found.first, !former.contains(id) else { return .notYet("\(found)") }
                return .done(id)
            }
        }

        private func events(_ cluster: TestCluster, _ name: String) async throws -> [API.Event] {
            let client = try await cluster.client(name, role: .reader)
            var all: [API.Event] = []
            for try await event in try await client.events(follow: false) { all.append(event) }
            await client.close()
            return all
        }

        @Test(
            "twice under load and once with a node away: no suspicion, no failed request, and what a retired key seals is refused"
        )
        func underLoad() async throws {
            try await TestCluster.run { cluster in
                let names = ["kitale", "lodwar", "moyale"]
                let settings = ["keys.overlap": "3s"]
                try await cluster.start("kitale", settings)
                for name in names.dropFirst() { try await cluster.start(name, joining: ["kitale"], settings) }
                try await cluster.settled(names)
                let prober = try Prober(cluster)
                let first = try await prober.keyring(of: "kitale")
                #expect(try await prober.isOpened(by: "kitale", sealedWith: first))

                let load = Load()
                let workers = try await Array(names.prefix(2)).asyncMap { name in
                    let client = try await cluster.client(name)
                    return Task { await load.run(client, prefix: name) }
                }
                func rotate(_ name: String) async throws -> String {
                    let agent = "https://\(try await cluster.endpoint(name))"
                    let ran = try await cluster.run(
                        TestCluster.roost,
                        ["keys", "rotate", "--agent", agent, "--certs", cluster.certificates("admin")],
                        within: .seconds(120))
                    #expect(ran.ending == .exited(0), "\(ran.output)")
                    #expect(ran.output.contains("members seal with it"), "\(ran.output)")
                    return ran.output
                }
                _ = try await rotate("lodwar")
                let second = try await calm(cluster, names)
                #expect(second != first.primary.map { KeysTests.hex($0.id) })
                #expect(try await !prober.isOpened(by: "kitale", sealedWith: first), "the retired key still opens")
                for name in names {
                    let suspected = try await events(cluster, name).filter { $0.type == "suspected" }
                    #expect(suspected.isEmpty, "\(name): \(suspected)")
                }

                try await cluster.kill("moyale")
                try await cluster.settled(["kitale", "lodwar"])
                _ = try await rotate("kitale")
                let third = try await calm(cluster, ["kitale", "lodwar"], besides: [second])
                await load.stop()
                for worker in workers { await worker.value }
                let failures = await load.failures
                #expect(failures.isEmpty, "\(failures.prefix(5))")
                #expect(await load.done > 20)

                try await cluster.start("moyale", joining: ["kitale"], settings)
                try await cluster.settled(names)
                #expect(
                    try await calm(cluster, names) == third, "who was away has the new key, and the old one nowhere")
                for name in names.prefix(2) {
                    let suspected = try await events(cluster, name).filter { $0.type == "suspected" }
                    #expect(suspected.allSatisfy { $0.node == "moyale" }, "\(name): \(suspected)")
                }
            }
        }

        @Test("two rotations at once end with one key, and one whose node is killed in the middle ends all the same")
        func atOnceAndKilled() async throws {
            try await TestCluster.run { cluster in
                let names = ["kitale", "lodwar", "moyale"]
                let settings = ["keys.overlap": "1s", "keys.wait": "10s"]
                try await cluster.start("kitale", settings)
                for name in names.dropFirst() { try await cluster.start(name, joining: ["kitale"], settings) }
                try await cluster.settled(names)
                var former: Set<String> = [try await calm(cluster, names)]
                async let a = cluster.client("kitale", role: .admin).rotateKeys()
                async let b = cluster.client("lodwar", role: .admin).rotateKeys()
                let begun = try await [a, b]
                let last = try await calm(cluster, names, besides: former)
                #expect(begun.map(\.id).contains(last))
                former.insert(last)

                for pause in [Duration.zero, .milliseconds(700), .milliseconds(1_500)] {
                    let begun = try await cluster.client("moyale", role: .admin).rotateKeys()
                    try await Task.sleep(for: pause)
                    try await cluster.kill("moyale")
                    try await cluster.start("moyale", joining: ["kitale"], settings)
                    try await cluster.settled(names)
                    let now = try await calm(cluster, names, besides: former)
                    #expect(now == begun.id, "killed after \(pause)")
                    former.insert(now)
                }
            }
        }

        @Test("who is no admin may not rotate, and who is no node gets no key")
        func roles() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kitale")
                for role in [Role.client, .reader] {
                    let client = try await cluster.client("kitale", role: role)
                    let json: HeaderFields = ["Content-Type": "application/json"]
                    let rotate = try await client.ask("POST", "/v1/keys/rotate", json, body: Array("{}".utf8))
                    #expect(rotate.status == 403)
                    #expect(try await client.ask("GET", "/v1/keys").status == 403)
                    await client.close()
                }
                for role in [Role.client, .reader, .admin] {
                    let client = try await cluster.client("kitale", role: role)
                    let answer = try await client.ask(
                        "POST", "/v1/peer/members", ["Content-Type": "application/json"], body: Prober.question)
                    #expect(answer.status == 403)
                    #expect(!String(decoding: answer.body, as: UTF8.self).contains("bytes"))
                    await client.close()
                }
                let listed = try await cluster.run(
                    TestCluster.roost, ["keys", "list", "--json", "--agent", "unix:\(cluster.socket("kitale"))"])
                #expect(listed.ending == .exited(0) && !listed.output.contains("bytes"), "\(listed.output)")
            }
        }

        fileprivate static func hex(_ id: UInt32) -> String {
            let digits = String(id, radix: 16)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }
    }
}

/// Somebody with a node's certificate who gets the cluster's keys as a node does, and seals a datagram with them.
struct Prober {
    static let question = Array(#"{"node":"prober","claims":[],"keyring":[],"revoked":[],"holds":0}"#.utf8)

    private struct Exchange: Decodable { let keyring: Keyring }

    let cluster: TestCluster

    init(_ cluster: TestCluster) throws {
        self.cluster = cluster
        _ = try cluster.authority.issue(
            role: .node, name: NodeName("prober"), ips: ["127.0.0.1"], into: cluster.certificates("prober"))
    }

    func keyring(of name: String) async throws -> Keyring {
        let client = try AgentClient(
            agents: [.https(try await cluster.endpoint(name))], certificates: cluster.certificates("prober"))
        let answer = try await client.ask(
            "POST", "/v1/peer/members", ["Content-Type": "application/json"], body: Self.question)
        await client.close()
        guard answer.status == 200 else { throw DemoFailure("no keys: \(answer.status) \(answer.errorCode ?? "")") }
        return try answer.value(Exchange.self).keyring
    }

    static func refusals(_ cluster: TestCluster, _ name: String, _ reason: String) async throws -> UInt64 {
        let client = try await cluster.client(name, role: .reader)
        let answer = try await client.ask("GET", "/metrics")
        await client.close()
        let line = String(decoding: answer.body, as: UTF8.self).split(separator: "\n").first {
            $0.hasPrefix("roost_gossip_rejected_total{reason=\"\(reason)\"}")
        }
        return try #require(line.flatMap { $0.split(separator: " ").last }.flatMap { UInt64($0) })
    }

    /// Whether a datagram that these keys sealed is opened there, or refused for its key. Only a packet from a stranger is
    /// in it, which changes nothing either way; sent several times, since the network may lose one.
    func isOpened(by name: String, sealedWith keys: Keyring) async throws -> Bool {
        let before = try await Self.refusals(cluster, name, "unknown_key")
        var sealer = try Sealer(keyring: keys)
        let packet = Packet(from: try NodeName("prober"), message: .gossip, claims: [])
        var datagrams: [[UInt8]] = []
        for _ in 0..<5 { datagrams.append(try sealer.seal(packet)) }
        let last = datagrams.removeLast()
        try RawConnection.sendDatagrams(datagrams, to: await cluster.endpoint(name))
        // The same one twice: it is refused as a replay where the key opens it, so that either counter must move.
        let replays = try await Self.refusals(cluster, name, "replayed")
        return try await Patience.wait(atMost: .seconds(30), for: "a word on the datagrams") {
            try RawConnection.sendDatagrams([last, last], to: await cluster.endpoint(name))
            if try await Self.refusals(cluster, name, "unknown_key") > before { return .done(false) }
            return try await Self.refusals(cluster, name, "replayed") > replays
                ? .done(true) : .notYet("neither counter")
        }
    }
}
