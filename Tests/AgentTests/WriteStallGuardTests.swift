import NIOCore
import NIOEmbedded
import Testing

@testable import Agent

/// In a loop whose time stands still until it is told: what `APIServerTests` shows of real sockets, at the true times.
@Suite("How fast an answer must be taken")
struct WriteStallGuardTests {
    /// A channel whose writes wait until they are flushed, and a reader that acknowledges as it is told.
    private final class Bed {
        let channel = EmbeddedChannel()
        let connection: Connection
        private(set) var taken: UInt64 = 0

        init(countsBytes: Bool = true) throws {
            connection = ConnectionTable().open(channel, .tls)
            let pace = WriteStallGuard.Pace(window: .seconds(60), bytesPerSecondMin: 1_024)
            try channel.pipeline.syncOperations.addHandler(
                WriteStallGuard(pace: pace, connection: connection) { [unowned self] channel in
                    countsBytes ? channel.eventLoop.makeSucceededFuture(taken) : nil
                })
            channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
        }

        /// Something is there for the reader, and stays until `done`.
        func offer() { channel.write(ByteBuffer(string: "answer"), promise: nil) }
        func done() { channel.flush() }

        /// Lets time pass, in which so many bytes a second are taken.
        func pass(_ seconds: Int, at bytesPerSecond: UInt64) {
            for _ in 0..<seconds where channel.isActive {
                taken += bytesPerSecond
                channel.embeddedEventLoop.advanceTime(by: .seconds(1))
            }
        }

        deinit { _ = try? channel.finish(acceptAlreadyClosed: true) }
    }

    @Test("a reader at the least pace goes on for ever, and one below it has a window and a quarter")
    func floor() throws {
        let slow = try Bed()
        slow.offer()
        slow.pass(3_600, at: 1_024)
        #expect(slow.channel.isActive)
        for pace in [0, 1, 1_000] as [UInt64] {
            let crawling = try Bed()
            crawling.offer()
            crawling.pass(74, at: pace)
            #expect(crawling.channel.isActive, "\(pace)")
            crawling.pass(1, at: pace)
            #expect(!crawling.channel.isActive, "\(pace)")
        }
    }

    @Test("a fast beginning earns no slow end, and an outage within a window costs nothing")
    func windows() throws {
        let bed = try Bed()
        bed.offer()
        bed.pass(60, at: 1 << 20)
        for _ in 0..<10 {
            bed.pass(30, at: 0)
            bed.pass(30, at: 4_096)
        }
        #expect(bed.channel.isActive)
        bed.pass(75, at: 100)
        #expect(!bed.channel.isActive)
    }

    @Test("many short waits count together: a write that ends now and then holds no place")
    func dripping() throws {
        let bed = try Bed()
        for _ in 0..<80 where bed.channel.isActive {
            bed.offer()
            bed.pass(1, at: 100)
            bed.done()
        }
        #expect(!bed.channel.isActive)
    }

    @Test("time in which nothing waits for the reader does not count")
    func agentIsSlow() throws {
        let bed = try Bed()
        for _ in 0..<200 {
            bed.offer()
            bed.pass(1, at: 2_048)
            bed.done()
            bed.pass(600, at: 0)
        }
        #expect(bed.channel.isActive)
    }

    @Test("a stream of events has no pace, and its reader must take something all the same")
    func events() throws {
        let bed = try Bed()
        bed.connection.beganToTellEvents()
        bed.offer()
        bed.pass(3_600, at: 1)
        #expect(bed.channel.isActive)
        bed.pass(75, at: 0)
        #expect(!bed.channel.isActive)
    }

    @Test("where no bytes are counted, a write that ends is enough, and none is not")
    func unixSocket() throws {
        let bed = try Bed(countsBytes: false)
        for _ in 0..<20 {
            bed.offer()
            bed.pass(50, at: 0)
            bed.done()
        }
        #expect(bed.channel.isActive)
        bed.offer()
        bed.pass(90, at: 0)
        #expect(!bed.channel.isActive)
    }
}
