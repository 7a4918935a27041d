import Foundation
import NIOConcurrencyHelpers
import NIOCore
import TLS
import Testing
import Vocabulary

@testable import Storage

@Suite("How many may bring bytes, and how much of the disk they are promised")
struct StreamBoundTests {
    private let byte = ByteBuffer(bytes: [1])

    private func digest(_ number: UInt8) -> ContentDigest { SHA256.digest([number]) }

    @Test("more uploads than allowed are refused, and allowed again when one ends")
    func uploads() async throws {
        var settings = Store.Settings()
        settings.uploadsMax = 2
        try await withStore(Scratch(), settings: settings) { store in
            let one = try await store.receive()
            let two = try await store.receive()
            let late = try await store.receive()
            try await one.write(byte)
            try await two.write(byte)
            await #expect(throws: StorageError.tooManyStreams(count: 2)) { try await late.write(byte) }
            await #expect(throws: StorageError.tooManyStreams(count: 2)) { try await store.receive() }
            await one.abort()
            _ = try await two.finish()
            for _ in 0..<2 { try await store.receive().write(byte) }
        }
    }

    @Test("an upload that has brought no byte keeps nobody out")
    func silent() async throws {
        var settings = Store.Settings()
        settings.uploadsMax = 1
        try await withStore(Scratch(), settings: settings) { store in
            let silent = try await store.receive(announcing: 1_000)
            let bytes = try await store.keep([1, 2, 3])
            #expect(bytes.size == 3)
            try await silent.write(byte)
            await silent.abort()
        }
    }

    @Test("one caller's uploads leave places for another's")
    func owners() async throws {
        var settings = Store.Settings()
        settings.uploadsPerOwnerMax = 1
        try await withStore(Scratch(), settings: settings) { store in
            let one = try await store.receive(owner: "simba")
            try await one.write(byte)
            await #expect(throws: StorageError.tooManyStreams(count: 1)) { try await store.receive(owner: "simba") }
            let other = try await store.receive(owner: "nala")
            try await other.write(byte)
            await one.abort()
            try await store.receive(owner: "simba").write(byte)
            await other.abort()
        }
    }

    @Test("uploads take no place from pulls, nor pulls from uploads")
    func apart() async throws {
        var settings = Store.Settings()
        settings.uploadsMax = 1
        settings.pullsMax = 1
        try await withStore(Scratch(), settings: settings) { store in
            let upload = try await store.receive()
            try await upload.write(byte)
            let pull = try await store.resume(digest(1), size: 1)
            await #expect(throws: StorageError.tooManyStreams(count: 1)) { try await store.resume(digest(2), size: 1) }
            await upload.abort()
            try await store.receive().write(byte)
            await pull.abort()
        }
    }

    @Test("what is announced is refused before the first byte when it can not fit, and promised when it can")
    func promised() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let free = try #require(Files.space(at: scratch.data)?.free)
            let more = free &+ (free / 2)
            func isFull(_ body: () async throws -> Void) async {
                do {
                    try await body()
                    Issue.record("\(more) bytes fitted into \(free)")
                } catch StorageError.full {} catch { Issue.record("\(error)") }
            }
            await isFull { _ = try await store.receive(announcing: more) }
            await isFull { _ = try await store.resume(digest(1), size: more) }
            #expect(store.blobs.streams.receiving.isEmpty)
            // Two that fit one by one do not fit together.
            let most = free / 10 * 6
            let one = try await store.receive(announcing: most)
            let two = try await store.receive(announcing: most)
            try await one.write(byte)
            await isFull { try await two.write(byte) }
            await isFull { _ = try await store.resume(digest(1), size: most) }
            await one.abort()
            #expect(store.blobs.streams.promisedBytes == 0)
            let pull = try await store.resume(digest(1), size: most)
            #expect(store.blobs.streams.promisedBytes == most)
            try await pull.write(ByteBuffer(bytes: noise(300_000, seed: 1)))
            #expect(store.blobs.streams.promisedBytes == most - 300_000)
            try await pull.suspend()
            #expect(store.blobs.streams.promisedBytes == 0)
            #expect(scratch.files(in: "incoming").count == 1)
        }
    }

    @Test("one caller's uploads together are promised a share, and a single one what there is")
    func shares() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let free = try #require(Files.space(at: scratch.data)?.free)
            let some = free / 10 * 4
            func isRefused(_ body: () async throws -> Void) async {
                do {
                    try await body()
                    Issue.record("\(some) bytes beside as many are in the share of \(free)")
                } catch StorageError.shareTaken {} catch { Issue.record("\(error)") }
            }
            let one = try await store.receive(announcing: some, owner: "simba")
            let early = try await store.receive(announcing: some, owner: "simba")
            try await one.write(byte)
            await isRefused { _ = try await store.receive(announcing: some, owner: "simba") }
            await isRefused { try await early.write(byte) }
            #expect(store.blobs.streams.promisedBytes == some)
            let others = try await store.receive(announcing: some, owner: "nala")
            try await others.write(byte)
            await others.abort()
            try await store.receive(owner: "simba").write(byte)
            await one.abort()
            #expect(store.blobs.streams.promisedBytes == 0)
            let alone = try await store.receive(announcing: free / 10 * 8, owner: "simba")
            try await alone.write(byte)
            await alone.abort()
        }
    }

    @Test("an ended pull may be taken up again at once, however often")
    func atOnce() async throws {
        try await withStore(Scratch()) { store in
            for round in 0..<300 {
                let pull = try await store.resume(digest(1), size: 2)
                try await pull.write(ByteBuffer(bytes: pull.offset == 0 ? [1] : []))
                if round % 3 == 2 { await pull.abort() } else { try await pull.suspend() }
            }
        }
    }

    @Test("an abort returns when its file is removed and its place free, not before")
    func abortIsOver() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let pull = try await store.resume(digest(1), size: 2)
            try await pull.write(byte)
            let (isRemoving, mayGoOn, hasReturned) = (Flag(), Flag(), Flag())
            let watch = FileWatch.listen { change in
                guard change == .removed(store.data.partial(digest(1))) else { return }
                isRemoving.raise()
                mayGoOn.waitOnThread()
            }
            defer { FileWatch.end(watch) }
            let abort = Task {
                await pull.abort()
                hasReturned.raise()
            }
            try await eventually { isRemoving.isUp }
            // The store's other threads are free: whatever only waits for one of them is through by now.
            for _ in 0..<50 { _ = try await store.hasBlob(digest(1)) }
            #expect(!hasReturned.isUp)
            mayGoOn.raise()
            await abort.value
            await (try store.resume(digest(1), size: 2)).abort()
        }
    }

    @Test("partial files are read again one at a time, and others are served between the slices")
    func rehashing() async throws {
        let scratch = try Scratch()
        let size = 3 * Int(IncomingBlob.rehashBytes)
        try await withStore(scratch) { store in
            let digests = (0..<4).map { digest($0) }
            for digest in digests {
                try Data(count: size).write(to: URL(fileURLWithPath: store.data.partial(digest)))
            }
            // Given somebody whose turn it is,
            await store.blobs.streams.rehashing.take()
            // when as many pulls go on as there are threads,
            async let pulls = withThrowingTaskGroup(of: UInt64.self) { group in
                for digest in digests {
                    group.addTask {
                        let pull = try await store.resume(digest, size: UInt64(size) + 1)
                        defer { withExtendedLifetime(pull) {} }
                        return pull.offset
                    }
                }
                var offsets: [UInt64] = []
                for try await offset in group { offsets.append(offset) }
                return offsets
            }
            try await eventually { store.blobs.streams.receiving.count == 4 }
            // then the others' reads and writes are served meanwhile.
            try await store.put("meanwhile", text("served"))
            #expect(try await store.bytes(of: "meanwhile") == text("served"))
            store.blobs.streams.rehashing.give()
            #expect(try await pulls == Array(repeating: UInt64(size), count: 4))
        }
    }

    @Test("a pull whose task is cancelled while its partial file is read keeps that file")
    func cancelled() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            try Data(count: 10).write(to: URL(fileURLWithPath: store.data.partial(digest(1))))
            await store.blobs.streams.rehashing.take()
            let pull = Task { _ = try await store.resume(digest(1), size: 20) }
            try await eventually { !store.blobs.streams.receiving.isEmpty }
            pull.cancel()
            store.blobs.streams.rehashing.give()
            await #expect(throws: StorageError.cancelled) { try await pull.value }
            #expect(store.blobs.streams.receiving.isEmpty)
            #expect(store.blobs.streams.promisedBytes == 0)
            #expect(try await store.resume(digest(1), size: 20).offset == 10)
        }
    }
}

/// Raised once.
private final class Flag: Sendable {
    private let value = NIOLockedValueBox(false)

    var isUp: Bool { value.withLockedValue { $0 } }
    func raise() { value.withLockedValue { $0 = true } }

    /// At most ten seconds.
    func waitOnThread() {
        let deadline = ContinuousClock.now + .seconds(10)
        while !isUp, ContinuousClock.now < deadline { usleep(1_000) }
    }
}
