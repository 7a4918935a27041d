import Foundation
import NIOCore
import NIOEmbedded
import Testing

@testable import TLS

/// Counts what lives in the whole process, in which other tests run at the same time: the bounds leave room for those,
/// and none for a leak.
struct LeakTests {
    /// Weak references to what must be gone.
    private struct Ghosts {
        weak var handler: TLSHandler?
        weak var session: TLSSession?
        weak var wire: WireBuffers?
        weak var channel: EmbeddedChannel?
    }

    @Test("10,000 handshakes, good, refused and abandoned, leave nothing behind")
    func handshakes() throws {
        let authority = try TestAuthority()
        let simba = try authority.context("roost://pride/node/simba")
        let hyena = try authority.context("roost://clan/node/fisi")
        var ghosts: [Ghosts] = []
        var completed = 0

        func once(_ round: Int) throws {
            let pair = try EmbeddedPair(client: round % 4 == 3 ? hyena : simba, server: simba)
            // Every eighth is abandoned halfway.
            if round % 8 == 7 {
                try pair.move(from: pair.client, to: pair.server)
            } else {
                pair.client.writeAndFlush(ByteBuffer(string: "x"), promise: nil)
                try pair.carry()
            }
            completed += pair.serverEnd.record.handshakes
            if round % 500 == 0 {
                ghosts.append(
                    Ghosts(
                        handler: pair.serverTLS, session: pair.serverTLS.session, wire: pair.serverTLS.session?.wire,
                        channel: pair.server))
            }
            pair.end()
        }

        // The first rounds fill OpenSSL's and the allocator's caches.
        for round in 0..<1_000 { try once(round) }
        let before = try residentBytes()
        let liveBefore = TLSSession.liveCount
        for round in 1_000..<10_000 { try once(round) }
        let grown = try residentBytes() - before
        let live = TLSSession.liveCount - liveBefore

        #expect(completed == 7_500)
        #expect(ghosts.count == 20)
        #expect(ghosts.allSatisfy { $0.handler == nil && $0.session == nil && $0.wire == nil && $0.channel == nil })
        #expect(live < 1_000, "\(live) SSL objects live on")
        // One SSL object has about 30 kB: 9,000 leaked pairs would be 500 MB. Other tests run beside this one.
        #expect(grown < 64 << 20, "grew by \(grown) bytes")
    }

    private func residentBytes() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        return try #require(pages) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
