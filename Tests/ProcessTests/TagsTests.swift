import Client
import FoundationEssentials
import Glibc
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("members' tags")
    struct TagsTests {
        /// The tags of one member, as another one lists them.
        private func wait(_ cluster: TestCluster, _ names: [String], of member: String, _ tags: [String: String]?)
            async throws
        {
            for name in names {
                let client = try await cluster.client(name, role: .reader)
                try await Patience.wait(atMost: .seconds(60), for: "\(name) to know the tags of \(member)") {
                    let found = try await client.members().first { $0.name == member }
                    let isKnown = found?.tags == tags && found?.tagsPending == nil
                    return isKnown ? .done(()) : .notYet("\(found.map { "\($0)".prefix(300) } ?? "no such member")")
                }
                await client.close()
            }
        }

        private func write(_ yaml: String, to path: String) throws {
            try Data(yaml.utf8).write(to: URL(filePath: path), options: .atomic)
        }

        @Test("4 KiB from the configuration are seen by all, and a reload brings others, and refuses what is wrong")
        func reload() async throws {
            try await TestCluster.run { cluster in
                let names = ["kitui", "lodwar", "marsabit"]
                let path = "\(cluster.path)/kitui.yaml"
                let note = String(repeating: "n", count: 4_000)
                try write("tags:\n  role: edge\n  tier: 2\n  note: \(note)\n", to: path)
                try await cluster.start("kitui", ["config": path])
                try await cluster.start("lodwar", joining: ["kitui"], ["tags": "role=core, tier=1"])
                try await cluster.start("marsabit", joining: ["lodwar"])
                try await cluster.settled(names)
                try await wait(cluster, names, of: "kitui", ["role": "edge", "tier": "2", "note": note])
                try await wait(cluster, names, of: "lodwar", ["role": "core", "tier": "1"])
                try await wait(cluster, names, of: "marsabit", nil)

                try write("tags:\n  role: edge-2\n", to: path)
                try await cluster.process("kitui").send(SIGHUP)
                try await wait(cluster, names, of: "kitui", ["role": "edge-2"])

                try write("tags:\n  role: \"\\x1B\"\n", to: path)
                try await cluster.process("kitui").send(SIGHUP)
                try await Patience.wait(atMost: .seconds(60), for: "the refusal") {
                    let text = try cluster.logText("kitui")
                    return text.contains("could not read the configuration again") && text.contains("tags.role")
                        ? .done(()) : .notYet("nothing of it in the log")
                }
                try await wait(cluster, names, of: "kitui", ["role": "edge-2"])

                func members(_ arguments: String...) async throws -> TestCluster.Ran {
                    try await cluster.run(
                        TestCluster.roost,
                        ["members", "--agent", "unix:\(cluster.socket("marsabit"))"] + arguments)
                }
                func listed(_ output: String) throws -> [String] {
                    try API.JSON.decode([API.Member].self, from: output.utf8).map(\.name)
                }
                #expect(try await listed(members("--json", "--tag", "role=edge.*").output) == ["kitui"])
                #expect(try await listed(members("--json", "--tag", "role=edge").output) == [])
                #expect(
                    try await listed(members("--json", "--tag", "role=core", "--tag", "tier=1").output) == ["lodwar"])
                #expect(try await listed(members("--json", "--tag", "role=core", "--tag", "tier=2").output) == [])
                let table = try await members().output
                #expect(table.contains("TAGS") && table.contains("role=core,tier=1"), "\(table)")
                #expect(try await members("--tag", "role").ending == .exited(64))
                let events = try await cluster.run(
                    TestCluster.roost, ["events", "--agent", "unix:\(cluster.socket("marsabit"))"])
                #expect(events.output.contains("updated  kitui") && events.output.contains("role=edge-2"))
            }
        }

        @Test("tags that are not allowed keep an agent from starting, with the key and the limit")
        func refused() async throws {
            try await TestCluster.run { cluster in
                let path = "\(cluster.path)/bad.yaml"
                try write("tags:\n  role: edge\n  note: \(String(repeating: "n", count: 5_000))\n", to: path)
                for (arguments, words) in [
                    (["--config", path], ["tags", "5018 bytes", "4096"]),
                    (["--tag", "a b=c"], ["tags", "a b=c", "64"]),
                ] {
                    let ran = try await cluster.run(TestCluster.roost, ["agent"] + arguments)
                    #expect(ran.ending == .exited(78))
                    for word in words { #expect(ran.output.contains(word), "\(ran.output)") }
                }
            }
        }
    }
}
