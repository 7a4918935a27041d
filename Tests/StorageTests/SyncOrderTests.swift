import Foundation
import NIOConcurrencyHelpers
import NIOCore
import Resources
import TLS
import Testing
import Vocabulary

@testable import Storage

/// The changes of one data folder, in order, and how long SQLite's log was at each.
private final class Witness: Sendable {
    private struct State {
        var changes: [FileWatch.Change] = []
        var logBytes: [UInt64] = []
    }

    private let state = NIOLockedValueBox(State())
    private let id: UInt64

    init(_ scratch: Scratch) {
        let (state, folder) = (state, scratch.data)
        id = FileWatch.listen { change in
            let path =
                switch change {
                case .wrote(let path), .synced(let path), .made(let path), .syncedFolder(let path),
                    .renamed(let path, _),
                    .removed(let path):
                    path
                }
            guard path.hasPrefix(folder) else { return }
            let bytes = Self.logBytes(folder)
            state.withLockedValue {
                $0.changes.append(change)
                $0.logBytes.append(bytes)
            }
        }
    }

    deinit { FileWatch.end(id) }

    var changes: [FileWatch.Change] { state.withLockedValue { $0.changes } }
    /// Whether no commit came before the last of the changes.
    func noCommit(since bytes: UInt64) -> Bool { state.withLockedValue { $0.logBytes.allSatisfy { $0 == bytes } } }

    static func logBytes(_ folder: String) -> UInt64 {
        let names = (try? Files.names(in: folder)) ?? []
        return names.filter { $0.hasSuffix("-wal") }.reduce(0) { sum, name in
            sum + ((try? Files.facts("\(folder)/\(name)"))??.size ?? 0)
        }
    }
}

@Suite("Law 1 on one disk: synced, then renamed, then the folder synced, then committed")
struct SyncOrderTests {
    private func expectDurable(
        _ witness: Witness, from temporary: String, to blob: String, since logBytes: UInt64,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let changes = witness.changes.filter { $0 != .wrote(temporary) }
        #expect(
            changes.suffix(3) == [
                .synced(temporary), .renamed(from: temporary, to: blob), .syncedFolder(Files.parent(of: blob)),
            ], sourceLocation: sourceLocation)
        let lastWrite = witness.changes.lastIndex(of: .wrote(temporary))
        let lastSync = witness.changes.lastIndex(of: .synced(temporary))
        #expect(
            lastWrite.map { write in lastSync.map { write < $0 } ?? false } ?? false, "bytes came after the last sync",
            sourceLocation: sourceLocation)
        #expect(witness.noCommit(since: logBytes), "a version named bytes that were not durable")
    }

    @Test("a put")
    func put() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let before = Witness.logBytes(scratch.data)
            let witness = Witness(scratch)
            let lease = try await store.keep(noise(700_000, seed: 1))
            let temporary = try #require(
                witness.changes.compactMap { if case .renamed(let from, _) = $0 { from } else { nil } }.first)
            #expect(temporary.hasPrefix("\(scratch.data)/incoming/"))
            expectDurable(witness, from: temporary, to: store.data.blob(lease.digest), since: before)
            _ = try await store.write(
                WriteRequest(
                    name: name("a"), content: .blob(digest: lease.digest, size: lease.size, mediaType: ""), home: nil,
                    precondition: .none), wallMilliseconds: 1, holding: lease)
            #expect(Witness.logBytes(scratch.data) > before, "the commit is in the log when the write returns")
        }
    }

    @Test("a pull, also one whose bytes an earlier attempt left unsynced")
    func pull() async throws {
        let scratch = try Scratch()
        let bytes = noise(700_000, seed: 2)
        let digest = SHA256.digest(bytes)
        try await withStore(scratch) { store in
            let first = try await store.resume(digest, size: 700_000)
            try await first.write(ByteBuffer(bytes: bytes[..<500_000]))
            try await first.suspend()
            let before = Witness.logBytes(scratch.data)
            let witness = Witness(scratch)
            let second = try await store.resume(digest, size: 700_000)
            try await second.write(ByteBuffer(bytes: bytes[500_000...]))
            let lease = try await second.finish()
            expectDurable(witness, from: store.data.partial(digest), to: store.data.blob(digest), since: before)
            withExtendedLifetime(lease) {}
        }
    }

    @Test("a pull of which nothing was missing any more is synced, too")
    func complete() async throws {
        let scratch = try Scratch()
        let bytes = noise(1_000, seed: 3)
        let digest = SHA256.digest(bytes)
        try await withStore(scratch) { store in
            let first = try await store.resume(digest, size: 1_000)
            try await first.write(ByteBuffer(bytes: bytes))
            try await first.suspend()
            let witness = Witness(scratch)
            let lease = try await store.resume(digest, size: 1_000).finish()
            let (partial, blob) = (store.data.partial(digest), store.data.blob(digest))
            let shelf = Files.parent(of: blob)
            #expect(
                witness.changes == [
                    .made(shelf), .syncedFolder(Files.parent(of: shelf)), .synced(partial),
                    .renamed(from: partial, to: blob), .syncedFolder(shelf),
                ])
            withExtendedLifetime(lease) {}
        }
    }

    @Test("the folder of a first blob is synced before the blob is in it, and once")
    func shelf() async throws {
        let scratch = try Scratch()
        let bytes = noise(1_000, seed: 4)
        try await withStore(scratch) { store in
            let witness = Witness(scratch)
            let blobs = "\(scratch.data)/blobs"
            let lease = try await store.keep(bytes)
            let folder = Files.parent(of: store.data.blob(lease.digest))
            let made = try #require(witness.changes.firstIndex(of: .made(folder)))
            let synced = try #require(witness.changes.firstIndex(of: .syncedFolder(blobs)))
            let filled = try #require(witness.changes.firstIndex(of: .syncedFolder(folder)))
            #expect(made < synced && synced < filled)
            _ = try await store.keep(bytes)
            #expect(witness.changes.count { $0 == .syncedFolder(blobs) } == 1)
        }
        // What is there at a start may have been made right before the crash that ended the last one.
        try await withStore(scratch) { store in
            let witness = Witness(scratch)
            _ = try await store.keep(bytes)
            #expect(witness.changes.contains(.syncedFolder("\(scratch.data)/blobs")))
        }
    }

    @Test("a folder that is made is synced into its parent")
    func folders() async throws {
        let scratch = try Scratch()
        let witness = Witness(scratch)
        try await withStore(scratch) { _ in }
        #expect(witness.changes.contains(.syncedFolder(scratch.data)))
    }
}
