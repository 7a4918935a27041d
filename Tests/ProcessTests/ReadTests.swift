import Client
import TLS
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("reading over HTTP")
    struct ReadTests {
        /// Three nodes, and one resource on two of them.
        private func withResource(
            _ body: (_ cluster: TestCluster, _ bytes: [UInt8], _ owner: String, _ outsider: String) async throws -> Void
        ) async throws {
            try await TestCluster.run { cluster in
                let names = ["busia", "nyeri", "thika"]
                try await cluster.start("busia")
                for name in names.dropFirst() { try await cluster.start(name, joining: ["busia"]) }
                try await cluster.settled(names)
                let bytes = Sample.bytes(200_000, seed: 1)
                let writer = try await cluster.client("busia")
                try await cluster.put("docs/a", bytes, through: writer)
                await writer.close()
                let place = try #require(try await cluster.placed(["docs/a"], asking: "thika")["docs/a"])
                let outsider = try #require(names.first { !place.holders.contains($0) })
                try await body(cluster, bytes, place.owners[0], outsider)
            }
        }

        @Test("ranges, HEAD and If-None-Match, by an owner and by a node that has no copy")
        func conditions() async throws {
            try await withResource { cluster, bytes, owner, outsider in
                let tag = "\"\(SHA256.digest(bytes).hex)\""
                for node in [owner, outsider] {
                    let client = try await cluster.client(node)
                    let path = "/v1/resources/docs/a"
                    let whole = try await client.ask("GET", path)
                    #expect(whole.status == 200 && whole.body == bytes)
                    #expect(whole.headers["etag"] == tag)
                    #expect(whole.headers["content-length"] == "\(bytes.count)")

                    for (range, expected) in [
                        ("bytes=0-0", 0...0), ("bytes=100-299", 100...299), ("bytes=199990-", 199_990...199_999),
                        ("bytes=-5", 199_995...199_999), ("bytes=199000-999999", 199_000...199_999),
                    ] {
                        let part = try await client.ask("GET", path, ["Range": range])
                        #expect(part.status == 206, "\(range) through \(node)")
                        #expect(part.body == Array(bytes[expected]), "\(range) through \(node)")
                        #expect(
                            part.headers["content-range"]
                                == "bytes \(expected.lowerBound)-\(expected.upperBound)/\(bytes.count)")
                    }
                    let past = try await client.ask("GET", path, ["Range": "bytes=200000-"])
                    #expect(past.status == 416)
                    #expect(past.headers["content-range"] == "bytes */200000")
                    #expect(past.headers["etag"] != nil && past.headers["roost-version"] != nil)
                    #expect(past.route.first == node)
                    let stale = try await client.ask("GET", path, ["Range": "bytes=5-9", "If-Range": "\"00\""])
                    #expect(stale.status == 200 && stale.body == bytes)

                    let head = try await client.ask("HEAD", path)
                    #expect(head.status == 200 && head.body.isEmpty)
                    #expect(head.headers["content-length"] == "\(bytes.count)")
                    #expect(head.headers["etag"] == tag)

                    let same = try await client.ask("GET", path, ["If-None-Match": tag])
                    #expect(same.status == 304 && same.body.isEmpty)
                    #expect(same.headers["etag"] == tag)
                    let other = try await client.ask("GET", path, ["If-None-Match": "\"00\""])
                    #expect(other.status == 200)
                    await client.close()
                }
            }
        }

        @Test("who answered and by which way is true: here, forwarded, through a node of choice and redirected")
        func routes() async throws {
            try await withResource { cluster, bytes, owner, outsider in
                let path = "/v1/resources/docs/a"
                let near = try await cluster.client(owner)
                let here = try await near.ask("GET", path)
                #expect(here.headers["roost-node"] == owner && here.route == [owner])

                let far = try await cluster.client(outsider)
                let forwarded = try await far.ask("GET", path)
                #expect(forwarded.body == bytes)
                #expect(forwarded.route.first == outsider && forwarded.route.count == 2)
                let holder = try #require(forwarded.headers["roost-node"])
                #expect(forwarded.route.last == holder && holder != outsider)

                let place = try await far.whereIs("docs/a")
                #expect(Set(place.holders) == Set(place.owners) && place.holders.contains(holder))
                #expect(place.owners.first == owner)
                for node in place.holders {
                    let via = try await far.ask("GET", path + "?via=\(node)")
                    #expect(via.headers["roost-node"] == node && via.route == [outsider, node])
                    #expect(via.body == bytes)
                }
                let nowhere = try await far.ask("GET", path + "?via=nosuchnode")
                #expect(nowhere.status == 404 && nowhere.errorCode == "no_such_node")

                let redirect = try await far.ask("GET", path + "?redirect=1")
                #expect(redirect.status == 307 && redirect.route == [outsider])
                let locations = try await place.holders.asyncMap {
                    "https://\(try await cluster.endpoint($0))\(path)"
                }
                #expect(locations.contains(redirect.headers["location"] ?? ""))
                let direct = try await near.ask("GET", path + "?redirect=1")
                #expect(direct.status == 200 && direct.body == bytes)
            }
        }

        @Test("earlier versions stay readable by their name after an overwrite, through every node")
        func versions() async throws {
            try await withResource { cluster, bytes, owner, outsider in
                let path = "/v1/resources/docs/a"
                let writer = try await cluster.client(outsider)
                let first = try #require(try await writer.ask("GET", path).headers["roost-version"])
                let second = try await cluster.put("docs/a", [7, 8, 9], through: writer).result.version
                _ = try await cluster.placed(["docs/a"], asking: owner)
                for node in [owner, outsider] {
                    let client = try await cluster.client(node)
                    let history = try await client.history("docs/a").versions
                    #expect(history.map(\.version) == [second, first], "through \(node)")
                    #expect(history.map(\.kind) == [.head, .earlier])
                    #expect(history.map(\.size) == [3, UInt64(bytes.count)])
                    let earlier = try await client.ask("GET", path + "?version=\(first)")
                    #expect(earlier.status == 200 && earlier.body == bytes)
                    #expect(earlier.headers["roost-version"] == first)
                    #expect(try await client.ask("GET", path).body == [7, 8, 9])
                    let unknown = try await client.ask("GET", path + "?version=nobody.1.1")
                    #expect(unknown.status == 404 && unknown.errorCode == "no_such_version")
                    await client.close()
                }
            }
        }
    }
}
