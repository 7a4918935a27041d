import Client
import NIOConcurrencyHelpers
import NIOCore
import Resources
import Storage
import TLS
import Testing
import Vocabulary

@testable import Agent

@Suite("Pulling small blobs together", .timeLimit(.minutes(1)))
struct SmallPullsTests {
    private let good: NodeName
    private let bad: NodeName

    init() throws { (good, bad) = (try NodeName("good"), try NodeName("bad")) }

    private static func bytes(_ number: Int) -> [UInt8] { [UInt8]("the bytes of lion \(number)".utf8) }
    private static func digest(_ number: Int) -> ContentDigest { SHA256.digest(bytes(number)) }

    /// What holders are asked for, and what they answer.
    private final class Holders: Sendable {
        enum Answer: Sendable { case all, nothing, others, junk, older, never }

        private let asked = NIOLockedValueBox<[(NodeName, [ContentDigest])]>([])
        private let atOnce = NIOLockedValueBox((now: 0, most: 0))
        private let isOpen = NIOLockedValueBox(true)
        private let answers: [NodeName: Answer]

        init(_ answers: [NodeName: Answer]) { self.answers = answers }

        var requests: [(NodeName, [ContentDigest])] { asked.withLockedValue { $0 } }
        /// Requests for many that were under way together.
        var mostAtOnce: Int { atOnce.withLockedValue { $0.most } }
        /// Whether requests are answered now.
        func hold(_ isHeld: Bool) { isOpen.withLockedValue { $0 = !isHeld } }

        private func wait() async throws {
            while !isOpen.withLockedValue({ $0 }) { try await Task.sleep(for: .milliseconds(1)) }
        }

        var many: SmallPulls.Source {
            { holder, digests, _ in
                self.asked.withLockedValue { $0.append((holder, digests)) }
                self.atOnce.withLockedValue { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
                defer { self.atOnce.withLockedValue { $0.now -= 1 } }
                let known = Dictionary(uniqueKeysWithValues: (0..<200).map { (digest($0), bytes($0)) })
                switch self.answers[holder] ?? .nothing {
                case .all:
                    try await self.wait()
                    return digests.map { known[$0].map { ByteBuffer(bytes: $0) } }
                case .nothing: return digests.map { _ in nil }
                case .others: return digests.map { known[$0].map { ByteBuffer(bytes: $0.reversed()) } }
                case .junk: throw PullError.unreadable(holder)
                case .older:
                    throw PeerCallError.refused(
                        holder, path: "/v1/peer/blobs", status: 404, .init(code: "not_found", message: ""))
                case .never:
                    try await Task.sleep(for: .seconds(3600))
                    return []
                }
            }
        }

        var one: Puller.Source {
            { holder, digest, _, _, _ in
                self.asked.withLockedValue { $0.append((holder, [digest])) }
                let number = (0..<200).first { SmallPullsTests.digest($0) == digest } ?? 0
                let (parts, end) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
                end.yield(ByteBuffer(bytes: bytes(number)))
                end.finish()
                return (200, parts)
            }
        }
    }

    private func run(
        _ answers: [NodeName: Holders.Answer], _ body: (Puller, Holders, Store) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        let store = try await Store.open(
            folder: folder.path + "/data", cluster: ClusterName("savanna"), node: NodeName("simba"))
        let holders = Holders(answers)
        let puller = Puller(
            store: store, traffic: Traffic(), rate: MoveRate(), throttle: MoveThrottle(streams: 4),
            source: holders.one, sourceOfMany: holders.many)
        do { try await body(puller, holders, store) } catch {
            await store.shutdown()
            throw error
        }
        await store.shutdown()
    }

    private func obtain(
        _ number: Int, _ puller: Puller, from holders: [NodeName], for purpose: Puller.Purpose = .move
    ) async throws -> BlobLease {
        try await puller.obtain(
            Self.digest(number), size: UInt64(Self.bytes(number).count), from: holders, for: purpose)
    }

    @Test(
        "what is wanted while a request is under way goes in as few as there can be, and all of it is durable",
        arguments: [Puller.Purpose.move, .handover])
    func together(purpose: Puller.Purpose) async throws {
        try await run([good: .all]) { puller, holders, store async throws in
            holders.hold(true)
            let first = Task { try await obtain(0, puller, from: [good], for: purpose) }
            #expect(await eventually { holders.requests.count == 1 })
            let rest = (1...BlobFrames.countMax).map { number in
                Task { try await obtain(number, puller, from: [good], for: purpose) }
            }
            // A full one does not wait for the first.
            #expect(await eventually { holders.requests.count == 2 })
            holders.hold(false)
            for task in [first] + rest {
                let lease = try await task.value
                #expect(try await store.isWhole(lease.digest))
            }
            #expect(holders.requests.map(\.1.count) == [1, BlobFrames.countMax])
        }
    }

    @Test("however much is wanted, a holder is asked by a few requests at once")
    func bounded() async throws {
        try await run([good: .all]) { puller, holders, _ async throws in
            holders.hold(true)
            let all = (0..<192).map { number in
                Task { try await obtain(number, puller, from: [good], for: .move) }
            }
            #expect(await eventually { holders.requests.count == 4 })
            holders.hold(false)
            for task in all { _ = try await task.value }
            #expect(holders.mostAtOnce == 4)
            #expect(holders.requests.reduce(0) { $0 + $1.1.count } == all.count)
        }
    }

    @Test("what a client waits for goes alone, at once")
    func write() async throws {
        try await run([good: .never]) { puller, holders, _ async throws in
            #expect(try await obtain(1, puller, from: [good], for: .write).digest == Self.digest(1))
            #expect(holders.requests.map(\.1) == [[Self.digest(1)]])
        }
    }

    @Test(
        "a holder that has it not, has other bytes or answers junk is passed over",
        arguments: [Holders.Answer.nothing, .others, .junk])
    private func passedOver(answer: Holders.Answer) async throws {
        try await run([bad: answer, good: .all]) { puller, holders, store async throws in
            let lease = try await obtain(1, puller, from: [bad, good])
            #expect(try await store.isWhole(lease.digest))
            #expect(holders.requests.map(\.0) == [bad, good])
            await #expect(throws: (any Error).self) { try await obtain(2, puller, from: [bad]) }
        }
    }

    @Test("an agent of before is asked for one at a time")
    func older() async throws {
        try await run([bad: .older]) { puller, holders, _ async throws in
            #expect(try await obtain(1, puller, from: [bad]).digest == Self.digest(1))
            #expect(holders.requests.count == 2)
        }
    }

    @Test("who is cancelled stops waiting at once, asked for or not; a stop ends the rest")
    func ending() async throws {
        try await run([good: .never]) { puller, holders, _ async throws in
            let asked = Task { try await obtain(1, puller, from: [good]) }
            #expect(await eventually { holders.requests.count == 1 })
            let waiting = Task { try await obtain(2, puller, from: [good]) }
            #expect(await eventually { await puller.askers(of: Self.digest(2)) == 1 })
            for task in [asked, waiting] {
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
            }
            let last = Task { try await obtain(3, puller, from: [good]) }
            #expect(await eventually { await puller.askers(of: Self.digest(3)) == 1 })
            await puller.stop()
            await #expect(throws: PullError.stopping) { try await last.value }
            await #expect(throws: PullError.stopping) { try await obtain(4, puller, from: [good]) }
        }
    }

    @Test("an answer is read as it was written, and no other answer is")
    func frames() {
        let blobs = [
            ByteBuffer(string: "one"), nil, ByteBuffer(),
            ByteBuffer(bytes: [UInt8](repeating: 7, count: Int(BlobFrames.bytesMax))),
        ]
        var answer = ByteBuffer()
        for blob in blobs { BlobFrames.add(blob, to: &answer) }
        #expect(BlobFrames.read(answer, count: 4) == blobs)
        #expect(BlobFrames.read(answer, count: 3) == nil)
        #expect(BlobFrames.read(answer, count: 5) == nil)
        for length in 0..<64 {
            #expect(BlobFrames.read(answer.getSlice(at: 0, length: length) ?? answer, count: 4) == nil)
        }
        var large = ByteBuffer(integer: BlobFrames.bytesMax + 1)
        large.writeRepeatingByte(7, count: Int(BlobFrames.bytesMax) + 1)
        #expect(BlobFrames.read(large, count: 1) == nil)
        #expect(BlobFrames.read(ByteBuffer(), count: 0)?.isEmpty == true)
    }
}
