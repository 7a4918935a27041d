import Foundation
import NIOConcurrencyHelpers
import NIOCore
import Resources
import Storage
import TLS
import Testing
import Vocabulary

@testable import Agent

@Suite("Pulling blobs", .timeLimit(.minutes(1)))
struct PullerTests {
    /// Too large to come together with others.
    private let bytes = [UInt8](repeating: UInt8(ascii: "l"), count: Int(BlobFrames.bytesMax) + 1)
    private var digest: ContentDigest { SHA256.digest(bytes) }
    private let (dead, good, hanging): (NodeName, NodeName, NodeName)

    init() throws { (dead, good, hanging) = (try NodeName("dead"), try NodeName("good"), try NodeName("hanging")) }

    private struct Unreachable: Error, Equatable {}

    /// Holders that answer, fail when told to, or hang until they are cancelled.
    private final class Holders: Sendable {
        private struct State {
            var asked: [NodeName] = []
            var cancelled = 0
            var deadMayFail = false
        }

        private let state = NIOLockedValueBox(State())
        var asked: [NodeName] { state.withLockedValue { $0.asked } }
        var cancelled: Int { state.withLockedValue { $0.cancelled } }
        func letDeadFail() { state.withLockedValue { $0.deadMayFail = true } }

        func source(_ bytes: [UInt8]) -> Puller.Source {
            { holder, _, offset, _, _ in
                self.state.withLockedValue { $0.asked.append(holder) }
                switch holder.text {
                case "good", "short", "long", "wrong":
                    let (parts, end) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
                    let sent: [UInt8] =
                        switch holder.text {
                        case "short": Array(bytes.dropLast())
                        case "long": bytes + [0]
                        case "wrong": Array(bytes.dropLast()) + [0]
                        default: bytes
                        }
                    end.yield(ByteBuffer(bytes: sent[Int(offset)...]))
                    end.finish()
                    return (offset > 0 ? 206 : 200, parts)
                case "dead":
                    _ = await eventually { self.state.withLockedValue { $0.deadMayFail } }
                    throw Unreachable()
                default:
                    do { try await Task.sleep(for: .seconds(3600)) } catch {
                        self.state.withLockedValue { $0.cancelled += 1 }
                        throw error
                    }
                    throw Unreachable()
                }
            }
        }
    }

    private func run(_ body: (Puller, Holders, Store) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        let store = try await Store.open(
            folder: folder.path + "/data", cluster: ClusterName("savanna"), node: NodeName("simba"))
        let holders = Holders()
        do {
            try await body(
                Puller(
                    store: store, traffic: Traffic(), rate: MoveRate(), throttle: MoveThrottle(streams: 4),
                    source: holders.source(bytes), sourceOfMany: { _, _, _ in throw Unreachable() }), holders,
                store)
        } catch {
            await store.shutdown()
            throw error
        }
        await store.shutdown()
    }

    private var size: UInt64 { UInt64(bytes.count) }

    @Test("who joins a fetch brings its own holders: they are tried when those of the first asker fail")
    func secondAsker() async throws {
        try await run { puller, holders, _ async throws in
            let first = Task { try await puller.obtain(digest, size: size, from: [dead], for: .move) }
            #expect(await eventually { holders.asked == [dead] })
            let second = Task { try await puller.obtain(digest, size: size, from: [dead, good], for: .move) }
            #expect(await eventually { await puller.askers(of: digest) == 2 })
            holders.letDeadFail()
            #expect(try await first.value.digest == digest)
            #expect(try await second.value.digest == digest)
            #expect(holders.asked == [dead, good])
        }
    }

    @Test("a holder that gives too few bytes, too many, or others is passed over, and the next one is asked")
    func wrongBytes() async throws {
        let holders = try ["short", "long", "wrong", "good"].map { try NodeName($0) }
        try await run { puller, asked, _ async throws in
            #expect(try await puller.obtain(digest, size: size, from: holders, for: .move).digest == digest)
            #expect(asked.asked == holders)
        }
        try await run { puller, asked, _ async throws in
            await #expect(throws: StorageError.sizeMismatch(expected: size, actual: size - 1)) {
                try await puller.obtain(digest, size: size, from: [holders[1], holders[0]], for: .write)
            }
            #expect(asked.asked == [holders[1], holders[0]])
        }
    }

    @Test("when every holder fails every asker hears why, and the next asker begins anew")
    func allFail() async throws {
        try await run { puller, holders, _ async throws in
            holders.letDeadFail()
            for _ in 0..<2 {
                await #expect(throws: Unreachable.self) {
                    try await puller.obtain(digest, size: size, from: [dead], for: .move)
                }
            }
            await #expect(throws: PullError.noHolder(digest)) {
                try await puller.obtain(digest, size: size, from: [], for: .move)
            }
            #expect(holders.asked == [dead, dead])
            #expect(try await puller.obtain(digest, size: size, from: [good], for: .move).digest == digest)
        }
    }

    @Test("an asker that is cancelled stops waiting at once; the fetch ends with its last asker, and another may begin")
    func cancelled() async throws {
        try await run { puller, holders, _ async throws in
            let first = Task { try await puller.obtain(digest, size: size, from: [hanging], for: .move) }
            let second = Task { try await puller.obtain(digest, size: size, from: [hanging], for: .move) }
            #expect(await eventually { await puller.askers(of: digest) == 2 })
            first.cancel()
            await #expect(throws: CancellationError.self) { try await first.value }
            #expect(holders.cancelled == 0)
            second.cancel()
            await #expect(throws: CancellationError.self) { try await second.value }
            #expect(try await puller.obtain(digest, size: size, from: [good], for: .move).digest == digest)
            #expect(holders.cancelled == 1)
            #expect(holders.asked == [hanging, good])
        }
    }

    @Test(
        "bytes that lie there already are read before a version counts on them, and fetched again when they are wrong")
    func rotten() async throws {
        try await run { puller, holders, store async throws in
            try await name(try await puller.obtain(digest, size: size, from: [good], for: .write), in: store)
            #expect(try await puller.obtain(digest, size: size, from: [good], for: .write).digest == digest)
            #expect(holders.asked == [good])
            let path = "\(store.folder)/blobs/\(digest.hex.prefix(2))/\(digest.hex.dropFirst(2))"
            try Data(bytes.dropLast() + [UInt8(ascii: "m")]).write(to: URL(fileURLWithPath: path))
            #expect(try await !store.isWhole(digest))
            #expect(try await puller.obtain(digest, size: size, from: [good], for: .write).digest == digest)
            #expect(holders.asked == [good, good])
            #expect(try await store.isWhole(digest))
        }
    }

    /// Has a version name the bytes, which then stay without anybody's lease.
    private func name(_ lease: BlobLease, in store: Store) async throws {
        _ = try await store.write(
            WriteRequest(
                name: ResourceName("lion"), content: .blob(digest: digest, size: size, mediaType: "text/plain"),
                home: nil, precondition: .none),
            wallMilliseconds: 1_000, holding: lease)
    }

    @Test("a stop ends what is under way, and nothing begins after it")
    func stop() async throws {
        try await run { puller, holders, _ async throws in
            let asker = Task { try await puller.obtain(digest, size: size, from: [hanging], for: .move) }
            #expect(await eventually { holders.asked == [hanging] })
            await puller.stop()
            #expect(holders.cancelled == 1)
            await #expect(throws: PullError.stopping) { try await asker.value }
            await #expect(throws: PullError.stopping) {
                try await puller.obtain(digest, size: size, from: [good], for: .move)
            }
        }
    }
}
