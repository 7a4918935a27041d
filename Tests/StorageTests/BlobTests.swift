import Foundation
import NIOCore
import Resources
import TLS
import Testing
import Vocabulary

@testable import Storage

@Suite struct BlobTests {
    @Test(
        "bytes come back as they were sent, whatever their number and their pieces",
        arguments: [
            0, 1, 4_095, 262_144, 262_145, 3_000_001,
        ])
    func sizes(count: Int) async throws {
        try await withStore(Scratch()) { store in
            let bytes = noise(count, seed: UInt64(count))
            let incoming = try await store.receive()
            var random = SeededGenerator(seed: 1)
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...400_000, using: &random))
                rest = rest.dropFirst(piece.count)
                try await incoming.write(ByteBuffer(bytes: piece))
            }
            let lease = try await incoming.finish()
            #expect(lease.digest == SHA256.digest(bytes))
            #expect(lease.size == UInt64(count))
            let reader = try #require(try await store.blob(lease.digest))
            #expect(try await reader.all() == bytes)
            #expect(try await reader.read(offset: UInt64(count), count: 10).readableBytes == 0)
            #expect(try await reader.read(offset: .max, count: .max).readableBytes == 0)
        }
    }

    @Test("several streams at once do not mix")
    func concurrentStreams() async throws {
        try await withStore(Scratch()) { store in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<12 {
                    group.addTask {
                        let incoming = try await store.receive()
                        let bytes = noise(700_000, seed: UInt64(number))
                        for start in stride(from: 0, to: bytes.count, by: 50_000) {
                            try await incoming.write(ByteBuffer(bytes: bytes[start..<start + 50_000]))
                        }
                        let lease = try await incoming.finish(expecting: SHA256.digest(bytes))
                        let reader = try #require(try await store.blob(lease.digest))
                        #expect(try await reader.all() == bytes)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("other bytes than announced are refused and nothing of them is kept")
    func mismatch() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let wanted = SHA256.digest(text("right"))
            let actual = SHA256.digest(text("wrong"))
            await #expect(throws: StorageError.digestMismatch(expected: wanted, actual: actual)) {
                try await store.keep(text("wrong"), expecting: wanted)
            }
            #expect(scratch.files(in: "incoming") == [])
            #expect(scratch.files(in: "blobs") == [])
        }
    }

    @Test("a stream that is aborted or let go leaves nothing, and takes no more bytes")
    func abandoned() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let incoming = try await store.receive()
            try await incoming.write(ByteBuffer(bytes: noise(1_000_000, seed: 1)))
            #expect(scratch.files(in: "incoming").count == 1)
            await incoming.abort()
            #expect(scratch.files(in: "incoming") == [])
            await #expect(throws: StorageError.streamClosed) { try await incoming.write(ByteBuffer(bytes: [1])) }
            await #expect(throws: StorageError.streamClosed) { try await incoming.finish() }
            _ = try await store.receive()
            try await eventually { scratch.files(in: "incoming").isEmpty }
        }
    }

    @Test("the same bytes twice are one blob, and it stays until the last version that names it is gone")
    func dedupe() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let one = try await store.put("one", text("shared"))
            let two = try await store.put("two", text("shared"))
            #expect(scratch.files(in: "blobs").count == 1)
            #expect(try await store.drop(one.groups[0].key, ifDigest: one.groups[0].digest))
            try await store.collect()
            #expect(scratch.files(in: "blobs").count == 1)
            #expect(try await store.bytes(of: "two") == text("shared"))
            #expect(try await store.drop(two.groups[0].key, ifDigest: two.groups[0].digest))
            try await store.collect()
            #expect(scratch.files(in: "blobs") == [])
            #expect(scratch.files(in: "incoming") == [])
        }
    }

    @Test("a delete gives the bytes back")
    func tombstoneFrees() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            try await store.put("a", noise(500_000, seed: 1))
            try await store.put("a", noise(500_000, seed: 2))
            #expect(scratch.files(in: "blobs").count == 2)
            try await store.delete("a")
            try await store.collect()
            #expect(scratch.files(in: "blobs") == [])
            let held = try await store.held()
            #expect(held.bytes == 0)
            #expect(held.names == 1)
            #expect(held.resources == 0)
        }
    }

    @Test("what a delete had not seen keeps its bytes, until another delete has seen it")
    func lostToDelete() async throws {
        let scratch = try Scratch()
        try await withStore(scratch, wall: 10_000) { store in
            let first = try await store.put("a", text("first"))
            let dot = Dot(node: try node("mkango"), epoch: 1, counter: 1)
            let delete = Version(
                name: try name("a"), dot: dot, context: first.set.context,
                time: HybridTime(wallMilliseconds: 5_000, counter: 0), content: .tombstone, home: nil)
            try await store.put("a", text("second"), wall: 2_000)
            try await store.merge([delete])
            try await store.collect()
            let lost = try #require(await store.versions(of: name("a")))
            #expect(lost.live == nil && lost.conflicts == 1)
            #expect(scratch.files(in: "blobs").count == 1)

            let again = try await store.delete("a")
            try await store.collect()
            #expect(again.set.versions.count == 1 && again.version.context.covers(dot))
            #expect(scratch.files(in: "blobs").isEmpty)
            #expect(again.set.isDeletedFor(.zero, wallMilliseconds: .max), "it can be forgotten some day")
            await #expect(throws: StorageError.refused(.notFound)) { try await store.delete("a") }
        }
    }

    @Test("versions that history no longer keeps give their bytes back")
    func prunedFrees() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            for number in 0..<9 { try await store.put("a", text("\(number)")) }
            try await store.collect()
            #expect(scratch.files(in: "blobs").count == VersionSet.versionCountMax)
        }
    }

    @Test("bytes that never became a version are removed when their lease goes")
    func leaseEnds() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            var lease: BlobLease? = try await store.keep(text("orphan"))
            try await store.collect()
            #expect(scratch.files(in: "blobs").count == 1)
            #expect(lease != nil)
            lease = nil
            try await eventually { scratch.files(in: "blobs").isEmpty }
        }
    }

    @Test("a version whose bytes are not here is refused, and nothing of its batch is merged")
    func missingBlob() async throws {
        try await withStore(Scratch()) { store in
            let digest = SHA256.digest(text("elsewhere"))
            let lease = try await store.keep(text("here"))
            func version(_ name: String, _ digest: ContentDigest, _ size: UInt64) throws -> Version {
                Version(
                    name: try ResourceName(name), dot: Dot(node: try node("mkango"), epoch: 1, counter: size),
                    context: CausalContext(), time: HybridTime(raw: 1),
                    content: .blob(digest: digest, size: size, mediaType: ""), home: nil)
            }
            await #expect(throws: StorageError.missingBlob(digest)) {
                try await store.merge([version("a", lease.digest, 4), version("b", digest, 9)], holding: [lease])
            }
            #expect(try await store.groups().isEmpty)
            // A file of another size is not those bytes.
            await #expect(throws: StorageError.missingBlob(lease.digest)) {
                try await store.merge([version("a", lease.digest, 5)], holding: [lease])
            }
            #expect(try await store.hasBlob(lease.digest, size: 4))
            #expect(try await !store.hasBlob(digest))
            #expect(try await store.lease(digest, size: 9) == nil)
        }
    }

    @Test("a reader keeps its bytes when the last version is dropped under it")
    func readWhileDropped() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let bytes = noise(300_000, seed: 3)
            let written = try await store.put("a", bytes)
            let reader = try #require(try await store.blob(SHA256.digest(bytes)))
            #expect(try await store.drop(written.groups[0].key, ifDigest: written.groups[0].digest))
            try await store.collect()
            #expect(scratch.files(in: "blobs") == [])
            #expect(try await reader.all() == bytes)
            #expect(try await store.blob(SHA256.digest(bytes)) == nil)
        }
    }

    @Test("a put of the same bytes heals a blob that has rotten")
    func heals() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            try await store.put("a", text("good"))
            let file = "\(scratch.data)/blobs/\(scratch.files(in: "blobs")[0])"
            try Data(text("bad!")).write(to: URL(fileURLWithPath: file))
            try await store.put("b", text("good"))
            #expect(try await store.bytes(of: "a") == text("good"))
        }
    }
}

extension BlobTests {
    @Test("the hundred thousandth look for unneeded blobs costs what the first did", .timeLimit(.minutes(1)))
    func manyLooks() async throws {
        try await withStore(Scratch()) { store in
            try await store.put("a", text("kept"))
            let digest = SHA256.digest(text("kept"))
            // Once each look went through two more wrappers than the one before, and this many would not fit the stack.
            for _ in 0..<100_000 { store.blobs.suspectUnneeded([digest]) }
            try await store.collect()
            #expect(try await store.bytes(of: "a") == text("kept"))
        }
    }
}

/// Waits for a condition, at most ten seconds.
func eventually(_ condition: () async throws -> Bool, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record("it did not happen within 10 seconds", sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}
