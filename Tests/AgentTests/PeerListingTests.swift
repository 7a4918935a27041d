import Resources
import TLS
import Testing
import Vocabulary

@testable import Agent

@Suite("A node's list of what it holds, as it goes to another")
struct PeerListingTests {
    private func version(_ name: String, _ content: Version.Content, home: String?) throws -> Version {
        var context = CausalContext()
        context.add(Dot(node: try NodeName("chui"), epoch: 1, counter: 1))
        return Version(
            name: try ResourceName(name), dot: Dot(node: try NodeName("simba"), epoch: .max, counter: 1 << 63),
            context: context, time: HybridTime(raw: .max), content: content, home: try home.map { try NodeName($0) })
    }

    private func listing() throws -> PeerListing {
        let longest = String(repeating: "ü", count: ResourceName.byteCountMax / 2)
        let blob = Version.Content.blob(
            digest: SHA256.digest([1]), size: .max,
            mediaType: String(repeating: "x", count: Version.mediaTypeByteCountMax))
        return PeerListing(
            entries: [
                .init(head: try version("a", blob, home: nil), conflicts: 0),
                .init(head: try version(longest, blob, home: "mkango"), conflicts: 7),
                .init(head: try version("gone", .tombstone, home: nil), conflicts: 1),
            ], truncated: true)
    }

    @Test("all of it comes back but what the writers had seen, and no part of it passes for the whole")
    func roundTrip() throws {
        let listing = try listing()
        let bytes = listing.bytes
        #expect(try PeerListing(bytes[...]) == listing)
        #expect(listing.entries.allSatisfy { $0.head.context == CausalContext() })
        let empty = PeerListing(entries: [], truncated: false)
        #expect(try PeerListing(empty.bytes[...]) == empty)
        for length in 0..<bytes.count {
            #expect(throws: (any Error).self) { try PeerListing(bytes.prefix(length)) }
        }
        #expect(throws: ByteError.illegal) { try PeerListing((bytes + [0])[...]) }
    }

    @Test("a number of entries that can not be there is found out without room for them")
    func hostileCount() {
        #expect(throws: ByteError.truncated) { try PeerListing([0, 0xff, 0xff, 0xff, 0xff, 0][...]) }
    }
}
