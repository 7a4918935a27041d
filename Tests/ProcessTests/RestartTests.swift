import Authority
import Client
import FoundationEssentials
import Glibc
import TLS
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("an announced restart")
    struct RestartTests {
        private static let names = ["arusha", "dodoma", "iringa"]

        /// Three agents with some files, each on two of them.
        private func begin(_ cluster: TestCluster, environment: [String: String] = [:]) async throws -> [String] {
            let first = Self.names[0]
            try await cluster.start(first)
            for name in Self.names.dropFirst() {
                // Only the last one is restarted.
                try await cluster.start(
                    name, joining: [first], environment: name == Self.names.last ? environment : [:])
            }
            try await cluster.settled(Self.names)
            let files = (0..<12).map { "kept/\($0)" }
            let writer = try await cluster.client(first)
            for (number, file) in files.enumerated() {
                try await cluster.put(file, Sample.bytes(40_000 + number, seed: number), through: writer)
            }
            await writer.close()
            try await cluster.settled(Self.names)
            _ = try await cluster.placed(files, asking: first)
            return files
        }

        private func moved(_ cluster: TestCluster, _ names: [String]) async throws -> [UInt64] {
            var all: [UInt64] = []
            for name in names {
                let client = try await cluster.client(name)
                all.append(try await client.status().moves.bytes)
                await client.close()
            }
            return all
        }

        private func events(_ cluster: TestCluster, _ name: String) async throws -> String {
            try await cluster.run(
                TestCluster.roost, ["events", "--agent", "unix:\(cluster.socket(name))"]
            ).output
        }

        @Test("roost restart: the process starts itself again, nobody counts a crash, and nothing is moved")
        func byItself() async throws {
            try await TestCluster.run { cluster in
                let files = try await begin(cluster)
                let (others, subject) = (Array(Self.names.dropLast()), try #require(Self.names.last))
                let before = try await moved(cluster, others)
                let epoch = try #require(try await cluster.client(subject).status().epoch)

                let ran = try await cluster.run(
                    TestCluster.roost, ["restart", "--agent", "unix:\(cluster.socket(subject))"], within: .seconds(120))
                #expect(ran.ending == .exited(0), "\(ran.output)")
                #expect(ran.output.contains("\(subject) is back and serving after"), "\(ran.output)")

                #expect(try await cluster.process(subject).poll() == nil, "it is the same process")
                let reader = try await cluster.client(subject)
                let status = try await reader.status()
                #expect(status.epoch ?? 0 > epoch)
                try await cluster.settled(Self.names)
                for (number, file) in files.enumerated() {
                    #expect(try await reader.getBytes(file).bytes == Sample.bytes(40_000 + number, seed: number))
                }
                #expect(try await moved(cluster, others) == before)
                #expect(try await reader.status().moves.bytes == 0)
                await reader.close()
                for name in others {
                    let text = try await events(cluster, name)
                    #expect(text.contains("restarting"), "\(text)")
                    for verdict in ["suspected  \(subject)", "crashed  \(subject)", "left  \(subject)"] {
                        #expect(!text.contains(verdict), "\(text)")
                    }
                }
                // It still obeys its signals, and leaves in good order.
                #expect(try await cluster.stop(subject) == .exited(0))
            }
        }

        @Test("a configuration that no agent would start with keeps it from ending")
        func badConfiguration() async throws {
            try await TestCluster.run { cluster in
                let file = "\(cluster.path)/roost.yaml"
                func write(_ text: String) throws { try text.write(toFile: file, atomically: true, encoding: .utf8) }
                try write("scrub: {rate: 1MiB}\n")
                let subject = Self.names[0]
                try await cluster.start(subject, environment: ["ROOST_CONFIG": file])
                let client = try await cluster.client(subject)
                let epoch = try #require(try await client.status().epoch)
                let restart = ["restart", "--agent", "unix:\(cluster.socket(subject))"]

                try write("scrub: {rat: 1MiB}\n")
                let refused = try await cluster.run(TestCluster.roost, restart, within: .seconds(60))
                #expect(refused.ending == .exited(ExitStatus.badConfiguration.rawValue), "\(refused.output)")
                #expect(refused.output.contains("scrub.rat") && refused.output.contains("runs on"), "\(refused.output)")
                // The certificates are looked at, too.
                try write("name: mwanza\n")
                let renamed = try await cluster.run(TestCluster.roost, restart, within: .seconds(60))
                #expect(renamed.output.contains("mwanza"), "\(renamed.output)")
                let checked = try await cluster.run(
                    TestCluster.roost, ["agent", "--certs", cluster.certificates(subject), "--config", file, "--check"])
                #expect(checked.ending == .exited(ExitStatus.badConfiguration.rawValue), "\(checked.output)")
                #expect(try await client.status().epoch == epoch)
                await client.close()

                try write("scrub: {rate: 2MiB}\n")
                let done = try await cluster.run(TestCluster.roost, restart, within: .seconds(120))
                #expect(done.ending == .exited(0), "\(done.output)")
                _ = try await cluster.stop(subject)
            }
        }

        @Test("under systemd it ends with the status that starts it again, and is waited for meanwhile")
        func bySupervisor() async throws {
            try await TestCluster.run { cluster in
                let subject = try #require(Self.names.last)
                let systemd = try #require(NotifySocket("\(cluster.path)/notify"))
                let environment = ["NOTIFY_SOCKET": systemd.path]
                _ = try await begin(cluster, environment: environment)
                let others = Array(Self.names.dropLast())
                let before = try await moved(cluster, others)

                let admin = try AgentClient(agents: [.unix(path: cluster.socket(subject))], certificates: nil)
                let begun = try await admin.restart()
                #expect(begun.by == .supervisor && begun.node == subject && begun.told == 2, "\(begun)")
                await admin.close()
                #expect(
                    try await cluster.process(subject).end(within: .seconds(60))
                        == .exited(ExitStatus.restart.rawValue))
                #expect(systemd.messages().contains { $0.hasPrefix("STOPPING=1") && $0.contains("restarting") })

                // Longer than a crash takes to be seen, and than relocation.delay after it (1 s each).
                let watcher = try await cluster.client(others[0])
                let until = ContinuousClock.now + .seconds(8)
                while ContinuousClock.now < until {
                    let members = try await watcher.members()
                    #expect(members.first { $0.name == subject }?.state == .restarting)
                    try await Task.sleep(for: .milliseconds(200))
                }
                await watcher.close()
                try await cluster.start(subject, joining: [others[0]], environment: environment)
                try await cluster.settled(Self.names)
                #expect(try await moved(cluster, others) == before)
                let client = try await cluster.client(subject)
                #expect(try await client.status().moves.bytes == 0)
                await client.close()
            }
        }

        @Test("only an admin may restart a node")
        func refusals() async throws {
            try await TestCluster.run { cluster in
                let name = Self.names[0]
                try await cluster.start(name)
                for role in [Role.reader, .client] {
                    let client = try await cluster.client(name, role: role)
                    #expect(try await client.ask("POST", "/v1/restart", body: Array("{}".utf8)).status == 403)
                    await client.close()
                }
                let ran = try await cluster.run(
                    TestCluster.roost,
                    [
                        "restart", "--agent", "https://\(try await cluster.endpoint(name))", "--certs",
                        cluster.certificates("client"),
                    ])
                #expect(ran.ending == .exited(ExitStatus.notPermitted.rawValue), "\(ran.output)")
                #expect(try await cluster.process(name).poll() == nil)
            }
        }

        @Test("systemd hears READY, WATCHDOG and the whole of a reload; the key that it hands over is the one used")
        func supervised() async throws {
            try await TestCluster.run { cluster in
                let name = Self.names[0]
                try await cluster.add(name)
                let systemd = try #require(NotifySocket("\(cluster.path)/notify"))
                let handed = ["credentials", "runtime"].map { "\(cluster.path)/\($0)" }
                for folder in handed {
                    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
                }
                let certificates = cluster.certificates(name)
                try #require(rename("\(certificates)/key.pem", "\(handed[0])/key.pem") == 0)
                try await cluster.start(
                    name,
                    environment: [
                        "NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": "2000000", "CREDENTIALS_DIRECTORY": handed[0],
                        "RUNTIME_DIRECTORY": handed[1],
                    ])
                var heard: [String] = []
                func hear(_ what: String, _ isIt: ([String]) -> Bool) async throws {
                    try await Patience.wait(atMost: .seconds(60), for: what) { () -> Patience.Look<Void> in
                        heard += systemd.messages()
                        return isIt(heard) ? .done(()) : .notYet("\(heard)")
                    }
                }
                try await hear("READY") { $0.contains { $0.hasPrefix("READY=1") } }
                try await hear("two feedings of the watchdog") { $0.count { $0 == "WATCHDOG=1" } >= 2 }

                // Renewed, with another key, that the unit's ExecReload hands over.
                let renewed = "\(cluster.path)/renewed"
                _ = try cluster.authority.issue(role: .node, name: NodeName(name), ips: ["127.0.0.1"], into: renewed)
                try #require(rename("\(renewed)/cert.pem", "\(certificates)/cert.pem") == 0)
                try #require(rename("\(renewed)/key.pem", "\(handed[1])/key.pem") == 0)
                heard = []
                try await cluster.process(name).send(SIGHUP)
                try await hear("the end of the reload") { $0.contains { $0.hasPrefix("READY=1") } }
                let begun = try #require(heard.firstIndex { $0.hasPrefix("RELOADING=1\nMONOTONIC_USEC=") }, "\(heard)")
                let ended = try #require(heard.firstIndex { $0.hasPrefix("READY=1") })
                #expect(begun < ended)
                #expect(try cluster.logText(name).contains("read the certificates again"))
            }
        }
    }
}
