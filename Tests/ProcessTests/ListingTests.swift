import Client
import Testing

@testable import roost

extension ProcessTests {
    @Suite("lists of the whole cluster")
    struct ListingTests {
        @Test("pages follow one another without gap or repetition, through every node, and name who did not answer")
        func pages() async throws {
            try await TestCluster.run { cluster in
                let names = ["meru", "moyale", "naivasha"]
                try await cluster.start("meru")
                for name in names.dropFirst() { try await cluster.start(name, joining: ["meru"]) }
                try await cluster.settled(names)
                let client = try await cluster.client("meru")
                let resources = (0..<11).map { "page/\($0 < 10 ? "0" : "")\($0)" }
                for (index, resource) in resources.enumerated() {
                    try await cluster.put(resource, [UInt8(index)], through: client)
                }
                try await cluster.put("other", [1], through: client)
                _ = try await client.delete("other")
                _ = try await cluster.placed(resources, asking: "meru")

                func walk(_ node: String, _ limit: Int) async throws -> (names: [String], unreachable: Set<String>) {
                    let client = try await cluster.client(node)
                    var found: [String] = []
                    var unreachable: Set<String> = []
                    var after: String?
                    for _ in 0...resources.count {
                        let page = try await client.list(prefix: "page/", limit: limit, after: after)
                        #expect(page.resources.count <= limit)
                        found += page.resources.map(\.name)
                        unreachable.formUnion(page.unreachable)
                        after = page.next
                        if after == nil { break }
                    }
                    #expect(after == nil, "the pages have an end")
                    await client.close()
                    return (found, unreachable)
                }
                for node in names {
                    for limit in [1, 4, 11, 1000] {
                        let listed = try await walk(node, limit)
                        #expect(listed.names == resources, "\(limit) a page through \(node)")
                        #expect(listed.unreachable.isEmpty)
                    }
                }
                let matching = try await client.list(pattern: "page/0[3-5]").resources.map(\.name)
                #expect(matching == ["page/03", "page/04", "page/05"])

                // One is gone: the two copies that were made of each are enough, and the list says what it may lack.
                try await cluster.kill("moyale")
                let rest = try await walk("naivasha", 4)
                #expect(rest.names == resources)
                #expect(rest.unreachable == ["moyale"])
                await client.close()
            }
        }
    }
}
