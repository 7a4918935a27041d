import Client
import Foundation
import TLS
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("writing over HTTP")
    struct WriteTests {
        private static let names = ["isiolo", "kitui", "wajir"]

        private func withCluster(
            _ settings: [String: String] = [:], _ body: (TestCluster) async throws -> Void
        ) async throws {
            try await TestCluster.run { cluster in
                try await cluster.start(Self.names[0], settings)
                for name in Self.names.dropFirst() {
                    try await cluster.start(name, joining: [Self.names[0]], settings)
                }
                try await cluster.settled(Self.names)
                // Past the moments in which owners still say 503.
                let client = try await cluster.client(Self.names[0])
                try await cluster.put("warm", [0], through: client)
                await client.close()
                try await body(cluster)
            }
        }

        @Test("preconditions by ETag, by version and for a free name hold through every node, owner or not")
        func preconditions() async throws {
            try await withCluster { cluster in
                for node in Self.names {
                    let client = try await cluster.client(node)
                    let path = "/v1/resources/if/\(node)"
                    let none: HeaderFields = ["If-Match": "*"]
                    #expect(try await client.ask("PUT", path, none, body: [1]).status == 412)
                    let first = try await client.ask("PUT", path, ["If-None-Match": "*"], body: [1])
                    #expect(first.status == 201, "through \(node)")
                    #expect(first.route.first == node && first.route.last == first.headers["roost-node"])
                    let again = try await client.ask("PUT", path, ["If-None-Match": "*"], body: [2])
                    #expect(again.status == 412 && again.errorCode == "precondition_failed", "through \(node)")
                    #expect(try await client.ask("GET", path).body == [1])

                    let tag = try #require(first.headers["etag"])
                    #expect(tag == "\"\(SHA256.digest([UInt8(1)]).hex)\"")
                    let byTag = try await client.ask("PUT", path, ["If-Match": tag], body: [3])
                    #expect(byTag.status == 200, "through \(node)")
                    let stale = try await client.ask("PUT", path, ["If-Match": tag], body: [4])
                    #expect(stale.status == 412, "through \(node)")

                    let strange = try await client.ask("PUT", path, ["If-Match": "\"nope\""], body: [4])
                    #expect(strange.status == 412 && strange.errorCode == "precondition_failed")
                    #expect(try await client.ask("PUT", path, ["If-Match": "\(tag), \"b\""], body: [4]).status == 400)

                    let version = try #require(byTag.headers["roost-version"])
                    let wrong = try #require(first.headers["roost-version"])
                    #expect(try await client.ask("PUT", path, ["If-Match": "\"\(wrong)\""], body: [5]).status == 412)
                    let byVersion = try await client.ask("PUT", path, ["If-Match": "\"\(version)\""], body: [6])
                    #expect(byVersion.status == 200, "through \(node)")
                    #expect(try await client.ask("DELETE", path, ["If-Match": "\"\(version)\""]).status == 412)
                    #expect(try await client.ask("GET", path).body == [6])
                    await client.close()
                }
            }
        }

        @Test("other bytes than promised are a 422 and more than allowed a 413, and neither is kept")
        func refusals() async throws {
            try await withCluster(["limits.body": "100KiB"]) { cluster in
                let client = try await cluster.client("kitui")
                let path = "/v1/resources/refused"
                let wrong: HeaderFields = ["Roost-SHA256": SHA256.digest([UInt8(9)]).hex]
                let differs = try await client.ask("PUT", path, wrong, body: [1])
                #expect(differs.status == 422 && differs.errorCode == "checksum_differs")
                let large = try await client.ask("PUT", path, body: Sample.bytes(100 * 1024 + 1, seed: 1))
                #expect(large.status == 413)
                #expect(try await client.ask("GET", path).status == 404)

                let right: HeaderFields = ["Roost-SHA256": SHA256.digest([UInt8(1)]).hex]
                #expect(try await client.ask("PUT", path, right, body: [1]).status == 201)
                let largest = try await client.ask("PUT", path, body: Sample.bytes(100 * 1024, seed: 1))
                #expect(largest.status == 200)
            }
        }

        @Test("what is deleted is a 404 through every node at once, and leaves the list")
        func delete() async throws {
            try await withCluster { cluster in
                for node in Self.names {
                    let client = try await cluster.client(node)
                    let name = "gone/\(node)"
                    let version = try await cluster.put(name, [1, 2, 3], through: client).result.version
                    let deleted = try await client.ask("DELETE", "/v1/resources/\(name)")
                    #expect(deleted.status == 200, "through \(node)")
                    for other in Self.names {
                        let reader = try await cluster.client(other)
                        #expect(try await reader.ask("GET", "/v1/resources/\(name)").status == 404)
                        #expect(try await reader.ask("GET", "/v1/where/\(name)").status == 404)
                        let earlier = try await reader.ask("GET", "/v1/resources/\(name)?version=\(version)")
                        #expect(earlier.status == 404, "its bytes went with it, through \(other)")
                        #expect(try await reader.history(name).versions.map(\.deleted) == [true])
                        await reader.close()
                    }
                    #expect(try await client.list(prefix: "gone/").resources.isEmpty)
                    #expect(try await client.ask("DELETE", "/v1/resources/\(name)").status == 404)
                    await client.close()
                }
            }
        }

        @Test("of two writes on one version through two nodes, exactly one wins while the cluster is calm")
        func race() async throws {
            try await withCluster { cluster in
                let left = try await cluster.client("isiolo")
                let right = try await cluster.client("wajir")
                for round in 0..<20 {
                    let name = "race/\(round)"
                    let start = try await cluster.put(name, [0], through: left).result.version
                    let path = "/v1/resources/\(name)"
                    let condition: HeaderFields = ["If-Match": "\"\(start)\""]
                    async let one = left.ask("PUT", path, condition, body: [1])
                    async let other = right.ask("PUT", path, condition, body: [2])
                    let (first, second) = try await (one, other)
                    #expect([first.status, second.status].sorted() == [200, 412], "round \(round)")
                    let winner: [UInt8] = first.status == 200 ? [1] : [2]
                    for client in [left, right] {
                        #expect(try await client.ask("GET", path).body == winner, "round \(round)")
                        #expect(try await client.history(name).versions.allSatisfy { $0.kind != .conflict })
                    }
                }
            }
        }

        @Test("a node that can not fetch the bytes has made nothing, and the next one makes the put")
        func failedFetch() async throws {
            try await TestCluster.run { cluster in
                let names = Self.names + ["marsabit"]
                try await cluster.start(names[0])
                for name in names.dropFirst() { try await cluster.start(name, joining: [names[0]]) }
                try await cluster.settled(names)
                let writer = try await cluster.client(names[0])
                let (name, taker, _) = try await cluster.foreignName(to: names[0], through: writer)
                let incoming = "\(cluster.path)/\(taker).data/incoming"
                try FileManager.default.removeItem(atPath: incoming)
                let bytes = Sample.bytes(100_000, seed: 1)
                #expect(try await cluster.put(name, bytes, through: writer).node != taker)
                try FileManager.default.createDirectory(atPath: incoming, withIntermediateDirectories: false)
                try await cluster.settled(names)
                let reader = try await cluster.client(taker)
                #expect(try await reader.getBytes(name).bytes == bytes)
            }
        }
    }
}
