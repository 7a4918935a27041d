import Client
import Glibc
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("the story, with other names and sizes")
    struct StoryTests {
        static let files: [(name: String, bytes: [UInt8], home: String?)] =
            [
                ("empty", [], nil), ("a", [10], "harare"),
                ("barua/za zamani/ÿ–1.txt", Sample.bytes(65_536, seed: 1), "kigali"),
                ("chunk", Sample.bytes(1 << 20, seed: 2), nil), ("odd", Sample.bytes(3_333_333, seed: 3), nil),
            ] + (0..<10).map { ("set/\($0)", Sample.bytes(100 * $0 + 1, seed: $0), nil) }

        private func checkAll(_ cluster: TestCluster, through names: [String]) async throws {
            for name in names {
                let client = try await cluster.client(name)
                for file in Self.files {
                    let (bytes, download) = try await client.getBytes(file.name)
                    #expect(bytes == file.bytes, "\(file.name) through \(name)")
                    #expect(download.route.first == name && download.route.last == download.node)
                }
                await client.close()
            }
        }

        @Test("join, share, leave, return, crash and return: every byte is there at each point")
        func story() async throws {
            try await TestCluster.run { cluster in
                let all = ["kigali", "harare", "nairobi"]
                let resources = Self.files.map(\.name)
                try await cluster.start("kigali")
                try await cluster.start("harare", joining: ["kigali"])
                try await cluster.settled(["harare", "kigali"])

                let writer = try await cluster.client("kigali")
                for file in Self.files {
                    let answer = try await cluster.put(file.name, file.bytes, through: writer, home: file.home)
                    #expect(answer.isNew && !answer.isShortOfCopies)
                    #expect(Set(answer.result.copies) == ["harare", "kigali"])
                }
                try await checkAll(cluster, through: ["harare", "kigali"])

                try await cluster.start("nairobi", joining: ["harare"])
                try await cluster.settled(all)
                let first = try await cluster.placed(resources, asking: "nairobi")
                let share = first.filter { $0.value.holders.contains("nairobi") }.keys.sorted()
                #expect(!share.isEmpty)
                let held = try await cluster.client("nairobi").status().resources.held
                #expect(held == share.count)

                #expect(try await cluster.stop("harare") == .exited(0))
                let afterLeave = try await cluster.client("nairobi")
                for resource in resources {
                    let place = try await afterLeave.whereIs(resource)
                    #expect(Set(place.holders) == ["kigali", "nairobi"], "\(resource) right after harare left")
                }
                try await checkAll(cluster, through: ["kigali", "nairobi"])

                try await cluster.start("harare", joining: ["nairobi"])
                try await cluster.settled(all)
                let second = try await cluster.placed(resources, asking: "harare")
                #expect(second.mapValues(\.owners) == first.mapValues(\.owners))
                #expect(second["a"]?.owners.first == "harare")

                try await cluster.kill("nairobi")
                try await checkAll(cluster, through: ["harare", "kigali"])
                try await cluster.settled(["harare", "kigali"])
                let repaired = try await cluster.placed(resources, asking: "kigali")
                #expect(repaired.values.allSatisfy { Set($0.holders) == ["harare", "kigali"] })

                try await cluster.start("nairobi", joining: ["kigali"])
                try await cluster.settled(all)
                let third = try await cluster.placed(resources, asking: "nairobi")
                #expect(third.mapValues(\.owners) == first.mapValues(\.owners))
                try await checkAll(cluster, through: all)
            }
        }

        @Test("two that start at once, each told to join the other, become one cluster whose datagrams are understood")
        func startAtOnce() async throws {
            try await TestCluster.run { cluster in
                let names = ["harare", "kigali"]
                for name in names { try await cluster.add(name) }
                async let first: Void = cluster.start(names[0], joining: [names[1]])
                async let second: Void = cluster.start(names[1], joining: [names[0]])
                _ = try await (first, second)
                try await cluster.settled(names)
                for name in names {
                    let client = try await cluster.client(name, role: .admin)
                    let primaries = try await client.keys().keys.filter(\.primary)
                    #expect(primaries.count == 1, "\(name) has no key to seal with")
                    // Round trips are measured by probes over UDP alone.
                    try await Patience.wait(atMost: .seconds(60), for: "\(name) to hear an answer over UDP") {
                        () -> Patience.Look<Void> in
                        let others = try await client.members().filter { $0.name != name }
                        return others.allSatisfy { $0.state == .alive && $0.rttMilliseconds != nil }
                            ? .done(()) : .notYet("\(others)")
                    }
                    await client.close()
                }
            }
        }

        @Test("a delete stays a delete when a node that slept through it returns")
        func deletes() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kigali")
                try await cluster.start("harare", joining: ["kigali"])
                try await cluster.settled(["harare", "kigali"])
                let client = try await cluster.client("kigali")
                try await cluster.put("gone", [1, 2, 3], through: client)
                try await cluster.kill("harare")
                try await cluster.settled(["kigali"])
                _ = try await client.delete("gone")
                try await cluster.start("harare", joining: ["kigali"])
                try await cluster.settled(["harare", "kigali"])
                for name in ["harare", "kigali"] {
                    await #expect(throws: ClientError.self) { try await cluster.client(name).getBytes("gone") }
                    let listed = try await cluster.client(name).list().resources
                    #expect(listed.isEmpty)
                }
            }
        }

        @Test("six nodes that may know two peers at once put, get, list and heal all the same")
        func fewPeers() async throws {
            try await TestCluster.run { cluster in
                let names = ["arusha", "bujumbura", "dodoma", "entebbe", "gulu", "jinja"]
                let limits = ["peers.max": "2"]
                try await cluster.start(names[0], limits)
                for name in names.dropFirst() { try await cluster.start(name, joining: [names[0]], limits) }
                try await cluster.settled(names, atMost: .seconds(120))
                let resources = (0..<18).map { "many/\($0)" }
                for (index, resource) in resources.enumerated() {
                    let client = try await cluster.client(names[index % names.count])
                    let answer = try await cluster.put(
                        resource, Sample.bytes(20_000 + index, seed: index), through: client)
                    #expect(!answer.isShortOfCopies, "\(resource)")
                    await client.close()
                }
                func check(_ through: [String]) async throws {
                    for name in through {
                        let client = try await cluster.client(name)
                        for (index, resource) in resources.enumerated() {
                            let (bytes, _) = try await client.getBytes(resource)
                            #expect(bytes == Sample.bytes(20_000 + index, seed: index), "\(resource) through \(name)")
                        }
                        let peers = try await client.peers()
                        #expect(peers.max == 2)
                        #expect(peers.connected <= 2, "\(name) is connected to \(peers.connected)")
                        let listed = try await client.list().resources
                        #expect(listed.count == resources.count)
                        await client.close()
                    }
                }
                try await check(names)
                try await cluster.kill("gulu")
                let rest = names.filter { $0 != "gulu" }
                try await cluster.settled(rest, atMost: .seconds(120))
                _ = try await cluster.placed(resources, asking: "jinja")
                try await check(rest)
            }
        }
    }
}
