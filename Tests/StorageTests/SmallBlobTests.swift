import Foundation
import NIOCore
import Resources
import TLS
import Testing
import Vocabulary

@testable import Storage

@Suite("Small blobs, many at once", .timeLimit(.minutes(1)))
struct SmallBlobTests {
    private func arrival(_ bytes: [UInt8], as digest: ContentDigest? = nil) -> (ContentDigest, ByteBuffer) {
        (digest ?? SHA256.digest(bytes), ByteBuffer(bytes: bytes))
    }

    @Test("each is kept for as long as its lease; one that is not what it should be leaves nothing, and hinders none")
    func keeping() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let wanted = SHA256.digest(text("wanted"))
            let arrived = [arrival(text("one")), arrival(text("other"), as: wanted), arrival([]), arrival(text("two"))]
            var results = try await store.keepSmall(arrived)
            #expect(try results[0].get().digest == arrived[0].0 && results[0].get().size == 3)
            #expect(throws: StorageError.digestMismatch(expected: wanted, actual: SHA256.digest(text("other")))) {
                try results[1].get()
            }
            #expect(try results[2].get().size == 0)
            for (digest, bytes) in arrived where digest != wanted {
                let reader = try #require(try await store.blob(digest))
                #expect(try await reader.whole() == bytes)
            }
            #expect(try await !store.hasBlob(wanted))
            #expect(scratch.files(in: "incoming").isEmpty)
            results = []
            try await store.collect()
            #expect(scratch.files(in: "blobs").isEmpty)
        }
    }

    @Test("one comes in the place of what a pull that was broken off left of it, and not beside one that is under way")
    func partial() async throws {
        let scratch = try Scratch()
        let bytes = noise(3_000, seed: 1)
        let digest = SHA256.digest(bytes)
        try await withStore(scratch) { store in
            let torn = try await store.resume(digest, size: 3_000)
            try await torn.write(ByteBuffer(bytes: bytes.prefix(2_000)))
            let beside = try await store.keepSmall([arrival(bytes)])[0]
            #expect(throws: StorageError.alreadyReceiving(digest)) { try beside.get() }
            try await torn.suspend()
            #expect(scratch.files(in: "incoming").count == 1)
            let lease = try await store.keepSmall([arrival(bytes)])[0].get()
            #expect(scratch.files(in: "incoming").isEmpty)
            #expect(try await store.isWhole(lease.digest))
        }
    }

    @Test("they are read whole and checked, or it is said what is wrong")
    func reading() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let good = try await store.put("good", text("good")).version.digest
            let large = try await store.put("large", noise(200, seed: 1)).version.digest
            let flipped = try await store.put("flipped", text("right")).version.digest
            let digests = try [good, large, flipped].map { try #require($0) } + [SHA256.digest(text("nowhere"))]
            let hex = digests[2].hex
            try Data(text("wrong")).write(
                to: URL(fileURLWithPath: "\(scratch.data)/blobs/\(hex.prefix(2))/\(hex.dropFirst(2))"))
            let found = try await store.smallBlobs(digests, bytesMax: 199)
            guard case .whole(let bytes) = found[0], case .large = found[1], case .missing = found[3],
                case .failed(.rotten(digests[2]), let reader?) = found[2]
            else {
                Issue.record("\(found)")
                return
            }
            #expect(bytes == ByteBuffer(string: "good"))
            #expect(try await store.setAside(digests[2], .flipped, reader) != nil)
            #expect(try await store.smallBlobs([], bytesMax: 1).isEmpty)
        }
    }
}
