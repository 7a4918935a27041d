import Authority
import Client
import FoundationEssentials
import Glibc
import NIOCore
import NIOPosix
import TLS
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("certificates that lose their rights")
    struct RevocationTests {
        private static let names = ["kitale", "lodwar", "moyale"]

        private func start(_ cluster: TestCluster, _ settings: [String: String] = [:]) async throws {
            try await cluster.start("kitale", settings)
            for name in Self.names.dropFirst() { try await cluster.start(name, joining: ["kitale"], settings) }
            try await cluster.settled(Self.names)
        }

        private func revoke(_ name: String, _ cluster: TestCluster, asking node: String) async throws {
            let agent = "https://\(try await cluster.endpoint(node))"
            let ran = try await cluster.run(
                TestCluster.roost,
                ["revoke", name, "--agent", agent, "--certs", cluster.certificates("admin")])
            #expect(ran.ending == .exited(0), "\(ran.output)")
        }

        private func status(_ cluster: TestCluster, _ node: String, as who: String) async throws -> Int {
            let client = try AgentClient(
                agents: [.https(try await cluster.endpoint(node))], certificates: cluster.certificates(who))
            let answer = try await client.ask("GET", "/v1/status")
            await client.close()
            return answer.status
        }

        @Test(
            "what a revoked client has open is cut on every node within 5 s, idle or in a download, and no restart lets it in"
        )
        func client() async throws {
            try await TestCluster.run { cluster in
                try await start(cluster)
                try await cluster.put("large", Sample.bytes(48 << 20, seed: 1), through: cluster.client("kitale"))
                let folder = cluster.certificates("mallory")
                _ = try cluster.authority.issue(role: .client, name: NodeName("mallory"), into: folder)
                let tls = try TLSContext(credentials: Credentials(folder: folder))
                func connect(_ name: String) async throws -> ClientConnection {
                    try await ClientConnection.connect(
                        to: .https(try await cluster.endpoint(name)), tls: tls, expecting: .anyNode,
                        timeout: .seconds(20), eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
                }
                var idle: [(String, ClientConnection)] = []
                var downloads: [(String, Task<Int, Never>)] = []
                let begun = Counter()
                for name in Self.names {
                    let quiet = try await connect(name)
                    let answer = try await quiet.send(ClientRequest("GET", "/v1/status"))
                    #expect(answer.status == 200)
                    await answer.body.discard()
                    idle.append((name, quiet))
                    let busy = try await connect(name)
                    let download = try await busy.send(ClientRequest("GET", "/v1/resources/large"))
                    #expect(download.status == 200)
                    downloads.append(
                        (
                            name,
                            Task {
                                // Slowly: at this pace the whole takes far longer than a cut may.
                                var count = 0
                                do {
                                    for try await part in download.body {
                                        count += part.readableBytes
                                        await begun.saw(name)
                                        try await Task.sleep(for: .milliseconds(20 * (1 + part.readableBytes / 65_536)))
                                    }
                                } catch {}
                                _ = busy
                                return count
                            }
                        ))
                }
                try await Patience.wait(atMost: .seconds(60), for: "the downloads to begin") {
                    await begun.names.count == Self.names.count ? .done(()) : .notYet("\(await begun.names)")
                }
                let before = ContinuousClock.now
                try await revoke("mallory", cluster, asking: "lodwar")
                for (name, connection) in idle {
                    try await Patience.wait(atMost: .seconds(5), for: "the idle connection to \(name) to be cut") {
                        connection.isOpen ? .notYet("open") : .done(())
                    }
                }
                for (name, task) in downloads {
                    let count = await task.value
                    #expect(count < 48 << 20, "\(name) sent all of it")
                }
                let took = ContinuousClock.now - before
                #expect(took < .seconds(5), "it took \(took)")

                for name in Self.names { #expect(try await status(cluster, name, as: "mallory") == 403) }
                try await cluster.kill("moyale")
                try await cluster.start("moyale", joining: ["kitale"])
                #expect(try await status(cluster, "moyale", as: "mallory") == 403, "from its own disk")
                for name in Self.names { try await cluster.kill(name) }
                for name in Self.names { try await cluster.start(name, joining: Self.names.filter { $0 != name }) }
                try await cluster.settled(Self.names)
                for name in Self.names { #expect(try await status(cluster, name, as: "mallory") == 403) }
                #expect(try await status(cluster, "kitale", as: "client") == 200)
            }
        }

        @Test("what was revoked while a node was down it refuses when it is back; and a node revoked so stays out")
        func absent() async throws {
            try await TestCluster.run { cluster in
                let settings = ["keys.overlap": "2s"]
                try await start(cluster, settings)
                try await cluster.start("wajir", joining: ["kitale"], settings)
                try await cluster.settled(Self.names + ["wajir"])
                let folder = cluster.certificates("mallory")
                _ = try cluster.authority.issue(role: .client, name: NodeName("mallory"), into: folder)
                #expect(try await status(cluster, "moyale", as: "mallory") == 200)
                for name in ["moyale", "wajir"] { try await cluster.kill(name) }
                for name in ["client/mallory", "node/wajir"] {
                    try await revoke("roost://\(TestCluster.name)/\(name)", cluster, asking: "kitale")
                }
                try await cluster.start("moyale", joining: ["kitale", "wajir"], settings)
                for name in ["mallory", "wajir"] {
                    try await Patience.wait(atMost: .seconds(20), for: "moyale to hear of \(name)") {
                        let status = try await status(cluster, "moyale", as: name)
                        return status == 403 ? .done(()) : .notYet("\(status)")
                    }
                }
                try await cluster.start("wajir", joining: Self.names, settings)
                try await Patience.wait(atMost: .seconds(60), for: "it to ask all of them in vain") {
                    let said = try cluster.logText("wajir")
                    let silent = Self.names.filter { !said.contains("\($0) refused: node wajir was revoked") }
                    return silent.isEmpty ? .done(()) : .notYet("\(silent)")
                }
                for name in Self.names {
                    #expect(try await status(cluster, name, as: "wajir") == 403)
                    let client = try await cluster.client(name, role: .reader)
                    let found = try await client.members().first { $0.name == "wajir" }
                    #expect(found == nil || found?.state == .left, "\(name): \(found?.state.rawValue ?? "")")
                    await client.close()
                }
            }
        }

        @Test("a revoked node is out everywhere, the key that it knows is changed, and no restart brings it back")
        func node() async throws {
            try await TestCluster.run { cluster in
                let settings = ["keys.overlap": "2s"]
                try await start(cluster, settings)
                try await cluster.start("wajir", joining: ["kitale"], settings)
                try await cluster.settled(Self.names + ["wajir"])
                func key(_ name: String) async throws -> API.Keys {
                    let client = try await cluster.client(name, role: .admin)
                    let keys = try await client.keys()
                    await client.close()
                    return keys
                }
                let known = try await key("wajir").keys.map(\.id)

                try await revoke("roost://\(TestCluster.name)/node/wajir", cluster, asking: "moyale")
                func isOut(_ name: String) async throws -> Patience.Look<Void> {
                    let client = try await cluster.client(name, role: .reader)
                    let found = try await client.members().first { $0.name == "wajir" }
                    await client.close()
                    return found == nil || found?.state == .left
                        ? .done(()) : .notYet("\(name): \(found?.state.rawValue ?? "")")
                }
                for name in Self.names {
                    try await Patience.wait(atMost: .seconds(5), for: "wajir to be out at \(name)") {
                        try await isOut(name)
                    }
                    #expect(try await status(cluster, name, as: "wajir") == 403)
                }
                for name in Self.names {
                    try await Patience.wait(atMost: .seconds(60), for: "a new key at \(name)") {
                        let keys = try await key(name)
                        return keys.rotating == false && keys.keys.count == 1 && !known.contains(keys.keys[0].id)
                            ? .done(()) : .notYet("\(keys)")
                    }
                }
                // It runs on, and probes them with the key that it has.
                let refused = try await Prober.refusals(cluster, "kitale", "unknown_key")
                try await Patience.wait(atMost: .seconds(60), for: "its datagrams to be refused") {
                    try await Prober.refusals(cluster, "kitale", "unknown_key") > refused ? .done(()) : .notYet("none")
                }
                #expect(try await key("wajir").keys.map(\.id) == known, "it gets no key any more")

                for name in Self.names { try await cluster.kill(name) }
                try await cluster.kill("wajir")
                for name in Self.names {
                    try await cluster.start(name, joining: Self.names.filter { $0 != name }, settings)
                }
                try await cluster.settled(Self.names)
                try await cluster.start("wajir", joining: Self.names, settings)
                for name in Self.names {
                    #expect(try await status(cluster, name, as: "wajir") == 403)
                    if case .notYet(let state) = try await isOut(name) { Issue.record("\(state)") }
                }
                #expect(try await !key("kitale").keys.map(\.id).contains(where: known.contains))
            }
        }
    }
}

private actor Counter {
    private(set) var names: Set<String> = []
    func saw(_ name: String) { names.insert(name) }
}
