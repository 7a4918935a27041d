import Client
import FoundationEssentials
import Glibc
import TLS
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("a disk that rots under an agent")
    struct ScrubTests {
        private static let names = ["busia", "nyeri", "thika"]

        /// Three nodes, with the resources on two of them each.
        private func withResources(
            _ resources: [String: [UInt8]],
            _ body: (_ cluster: TestCluster, _ places: [String: API.Where]) async throws -> Void
        ) async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("busia")
                for name in Self.names.dropFirst() { try await cluster.start(name, joining: ["busia"]) }
                try await cluster.settled(Self.names)
                let writer = try await cluster.client("busia")
                for (name, bytes) in resources.sorted(by: { $0.key < $1.key }) {
                    try await cluster.put(name, bytes, through: writer)
                }
                await writer.close()
                try await body(cluster, try await cluster.placed(Array(resources.keys), asking: "thika"))
            }
        }

        private func path(_ bytes: [UInt8], on node: String, _ cluster: TestCluster) -> String {
            let hex = SHA256.digest(bytes).hex
            return "\(cluster.path)/\(node).data/blobs/\(hex.prefix(2))/\(hex.dropFirst(2))"
        }

        /// Changes one bit in the file where it is, as a disk does.
        private func flip(_ bytes: [UInt8], at offset: Int, on node: String, _ cluster: TestCluster) throws {
            let descriptor = open(path(bytes, on: node, cluster), O_WRONLY)
            try #require(descriptor >= 0)
            defer { close(descriptor) }
            var byte = bytes[offset] ^ 1
            try #require(pwrite(descriptor, &byte, 1, off_t(offset)) == 1)
        }

        private func healed(_ bytes: [UInt8], on node: String, _ cluster: TestCluster) async throws {
            try await Patience.wait(atMost: .seconds(60), for: "\(node) to have the right bytes") {
                () -> Patience.Look<Void> in
                let there = try? Data(contentsOf: URL(filePath: path(bytes, on: node, cluster)))
                return there.map { Array($0) == bytes } == true ? .done(()) : .notYet("not yet")
            }
        }

        @Test("a get never brings wrong bytes: another holder answers, and the file is right again")
        func reads() async throws {
            let small = Sample.bytes(200_000, seed: 1)
            let large = Sample.bytes(3_000_000, seed: 2)
            try await withResources(["small": small, "large": large]) { cluster, places in
                let owner = try #require(places["small"]?.holders.first)
                let client = try await cluster.client(owner)
                try flip(small, at: 100, on: owner, cluster)
                let answer = try await client.ask("GET", "/v1/resources/small")
                #expect(answer.status == 200 && answer.body == small)
                #expect(answer.route.count == 2 && answer.route.first == owner, "\(answer.route)")
                try await healed(small, on: owner, cluster)
                #expect(try await client.ask("GET", "/v1/resources/small").route == [owner])

                // A part of it is the whole's affair, too.
                try flip(small, at: 150_000, on: owner, cluster)
                let part = try await client.ask("GET", "/v1/resources/small", ["Range": "bytes=149999-150001"])
                #expect(part.status == 206 && part.body == Array(small[149_999...150_001]))
                try await healed(small, on: owner, cluster)
                await client.close()

                let holder = try #require(places["large"]?.holders.first)
                let reader = try await cluster.client(holder)
                try flip(large, at: 2_000_000, on: holder, cluster)
                await #expect(throws: ClientError.self, "a body of wrong bytes never ends as one that is whole") {
                    _ = try await reader.ask("GET", "/v1/resources/large")
                }
                let again = try await reader.ask("GET", "/v1/resources/large")
                #expect(again.status == 200 && again.body == large)
                try await healed(large, on: holder, cluster)

                try flip(large, at: 1, on: holder, cluster)
                let far = try await reader.ask("GET", "/v1/resources/large", ["Range": "bytes=0-9"])
                #expect(far.status == 206 && far.body == Array(large[0...9]))
                try await healed(large, on: holder, cluster)

                // The command begins anew when what it got was not the resource.
                try flip(large, at: 2_999_999, on: holder, cluster)
                let target = "\(cluster.path)/large.out"
                let got = try await cluster.run(
                    TestCluster.roost,
                    [
                        "get", "large", "-o", target, "--agent", "https://\(try await cluster.endpoint(holder))",
                        "--certs", cluster.certificates("client"),
                    ])
                #expect(got.ending == .exited(0), "\(got.output)")
                #expect(try Array(Data(contentsOf: URL(filePath: target))) == large)
                try await healed(large, on: holder, cluster)
                let status = try #require(try await reader.status().scrub)
                #expect(status.rotten >= 3 && status.repaired >= 3 && status.unrepaired == 0)
                await reader.close()
            }
        }

        @Test("roost scrub finds what is rotten or gone, repairs it from the other holder, and tells of it")
        func scrub() async throws {
            var resources: [String: [UInt8]] = [:]
            for index in 0..<12 { resources["r/\(index)"] = Sample.bytes(50_000 + index, seed: index) }
            try await withResources(resources) { cluster, places in
                let node = "nyeri"
                let mine = places.filter { $0.value.holders.contains(node) }.map(\.key).sorted()
                try #require(mine.count >= 2)
                let (first, second) = (try #require(resources[mine[0]]), try #require(resources[mine[1]]))
                try flip(first, at: 49_999, on: node, cluster)
                try #require(unlink(path(second, on: node, cluster)) == 0)

                func scrub(_ flags: String...) async throws -> TestCluster.Ran {
                    try await cluster.run(
                        TestCluster.roost, ["scrub", "--agent", "unix:\(cluster.socket(node))"] + flags)
                }
                let ran = try await scrub()
                #expect(ran.ending == .exited(0), "\(ran.output)")
                #expect(ran.output.contains("2 rotten, 2 repaired, 0 lacking"), "\(ran.output)")
                try await healed(first, on: node, cluster)
                try await healed(second, on: node, cluster)

                let again = try await scrub("--json")
                let ended = try API.JSON.decode(API.ScrubStatus.self, from: Array(again.output.utf8))
                #expect(ended.rotten == 2 && ended.repaired == 2 && ended.unrepaired == 0 && !ended.running)
                #expect(ended.checked == UInt64(mine.count) && ended.lastPass != nil)

                let client = try await cluster.client(node)
                let refused = try await client.ask("POST", "/v1/scrub", body: Array("{}".utf8))
                #expect(refused.status == 403, "only an admin may have the disk read")
                let metrics = String(decoding: try await client.ask("GET", "/metrics").body, as: UTF8.self)
                #expect(metrics.contains("roost_scrub_rotten_blobs_total{fault=\"flipped\"} 1\n"))
                #expect(metrics.contains("roost_scrub_rotten_blobs_total{fault=\"missing\"} 1\n"))
                #expect(metrics.contains("roost_scrub_repaired_blobs_total 2\n"))
                let events = String(
                    decoding: try await client.ask("GET", "/v1/events?follow=0").body, as: UTF8.self)
                #expect(events.contains("event: rotten\n") && events.contains("event: repaired\n"))
                #expect(events.contains(mine[0]))
                await client.close()
                #expect(try cluster.logText(node).contains("are not what they should be"))
            }
        }

        @Test(
            "what no other node has is lacking, known to be so after a restart, and whole again when its holder is back"
        )
        func lacking() async throws {
            let bytes = Sample.bytes(60_000, seed: 7)
            try await TestCluster.run { cluster in
                let settings = ["relocation.delay": "1h"]
                try await cluster.start("busia", settings)
                try await cluster.start("nyeri", joining: ["busia"], settings)
                try await cluster.settled(["busia", "nyeri"])
                let writer = try await cluster.client("busia")
                try await cluster.put("only", bytes, through: writer)
                _ = try await cluster.placed(["only"], asking: "busia")
                await writer.close()
                try await cluster.kill("nyeri")
                try flip(bytes, at: 9, on: "busia", cluster)

                func scrub() async throws -> TestCluster.Ran {
                    try await cluster.run(
                        TestCluster.roost, ["scrub", "--agent", "unix:\(cluster.socket("busia"))"])
                }
                let ran = try await scrub()
                #expect(ran.ending == .exited(1), "\(ran.output)")
                #expect(ran.output.contains("1 rotten, 0 repaired, 1 lacking"), "\(ran.output)")

                try await cluster.kill("busia")
                try await cluster.start("busia", settings)
                let client = try await cluster.client("busia")
                try await Patience.wait(atMost: .seconds(30), for: "busia to recall what it lacks") {
                    () -> Patience.Look<Void> in
                    try await client.status().scrub?.unrepaired == 1 ? .done(()) : .notYet("not yet")
                }
                await client.close()
                try await cluster.start("nyeri", joining: ["busia"], settings)
                try await cluster.settled(["busia", "nyeri"])
                let repaired = try await scrub()
                #expect(repaired.ending == .exited(0), "\(repaired.output)")
                try await healed(bytes, on: "busia", cluster)
            }
        }
    }
}
