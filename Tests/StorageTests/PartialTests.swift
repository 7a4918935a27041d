import Foundation
import NIOCore
import TLS
import Testing
import Vocabulary

@testable import Storage

@Suite struct PartialTests {
    private let bytes = noise(2_000_000, seed: 7)
    private var digest: ContentDigest { SHA256.digest(bytes) }

    @Test("a pull goes on where it was interrupted, also after a restart")
    func resume() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let incoming = try await store.resume(digest, size: 2_000_000)
            #expect(incoming.offset == 0)
            try await incoming.write(ByteBuffer(bytes: bytes[..<700_001]))
            try await incoming.suspend()
        }
        try await withStore(scratch) { store in
            let incoming = try await store.resume(digest, size: 2_000_000)
            #expect(incoming.offset == 700_001)
            try await incoming.write(ByteBuffer(bytes: bytes[700_001...]))
            let lease = try await incoming.finish()
            #expect(lease.digest == digest)
            let reader = try #require(try await store.blob(digest))
            #expect(try await reader.all() == bytes)
            #expect(scratch.files(in: "incoming") == [])
        }
    }

    @Test("a pull that is let go without a word keeps what was on disk")
    func letGo() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            func begin() async throws {
                let incoming = try await store.resume(digest, size: 2_000_000)
                try await incoming.write(ByteBuffer(bytes: bytes[..<1_000_000]))
            }
            try await begin()
            try await eventually { store.blobs.streams.receiving.isEmpty }
            let incoming = try await store.resume(digest, size: 2_000_000)
            #expect(incoming.offset == 1_000_000)
            await incoming.abort()
            #expect(scratch.files(in: "incoming") == [])
        }
    }

    @Test("the same bytes are pulled by one stream at a time")
    func oneAtATime() async throws {
        try await withStore(Scratch()) { store in
            let incoming = try await store.resume(digest, size: 10)
            await #expect(throws: StorageError.alreadyReceiving(digest)) { try await store.resume(digest, size: 10) }
            await incoming.abort()
            await (try store.resume(digest, size: 10)).abort()
        }
    }

    @Test("a partial file with wrong bytes is refused at the end and removed, so that the next pull begins anew")
    func torn() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            try Data(repeating: 0, count: 500_000).write(to: URL(fileURLWithPath: store.data.partial(digest)))
            let incoming = try await store.resume(digest, size: 2_000_000)
            #expect(incoming.offset == 500_000)
            try await incoming.write(ByteBuffer(bytes: bytes[500_000...]))
            await #expect(throws: StorageError.self) { try await incoming.finish() }
            #expect(scratch.files(in: "incoming") == [])
            #expect(try await !store.hasBlob(digest))
            let again = try await store.resume(digest, size: 2_000_000)
            #expect(again.offset == 0)
            await again.abort()
        }
    }

    @Test("more or fewer bytes than announced are refused")
    func sizes() async throws {
        try await withStore(Scratch()) { store in
            let long = try await store.resume(digest, size: 500_000)
            await #expect(throws: StorageError.sizeMismatch(expected: 500_000, actual: 600_000)) {
                try await long.write(ByteBuffer(bytes: bytes[..<600_000]))
            }
            let short = try await store.resume(digest, size: 2_000_000)
            try await short.write(ByteBuffer(bytes: bytes[..<10]))
            await #expect(throws: StorageError.sizeMismatch(expected: 2_000_000, actual: 10)) {
                try await short.finish()
            }
        }
    }

    @Test("a start removes temporaries, old partial files, and those beyond the bound, oldest first")
    func sweep() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { _ in }
        func leave(_ name: String, bytes: Int, hoursOld: Double) throws {
            let path = "\(scratch.data)/incoming/\(name)"
            try Data(repeating: 1, count: bytes).write(to: URL(fileURLWithPath: path))
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -hoursOld * 3_600)], ofItemAtPath: path)
        }
        let hex = (0..<6).map { SHA256.digest([UInt8($0)]).hex }
        try leave("12.tmp", bytes: 5, hoursOld: 0)
        try leave("\(hex[0])-3.gone", bytes: 5, hoursOld: 0)
        try leave("\(hex[1]).partial", bytes: 10, hoursOld: 25)
        try leave("\(hex[2]).partial", bytes: 10, hoursOld: 1)
        try leave("\(hex[3]).partial", bytes: 10, hoursOld: 2)
        try leave("\(hex[4]).partial", bytes: 10, hoursOld: 3)
        try leave("\(hex[5]).partial", bytes: 100, hoursOld: 2.5)
        var settings = Store.Settings()
        settings.partials.countMax = 3
        settings.partials.bytesMax = 100
        try await withStore(scratch, settings: settings) { _ in
            let left = Set(scratch.files(in: "incoming"))
            #expect(left == ["\(hex[2]).partial", "\(hex[3]).partial"])
        }
    }

    @Test("the newest partial file is kept whatever its size")
    func newest() async throws {
        let scratch = try Scratch()
        var settings = Store.Settings()
        settings.partials.bytesMax = 100
        try await withStore(scratch, settings: settings) { store in
            let pull = try await store.resume(digest, size: 2_000_000)
            try await pull.write(ByteBuffer(bytes: bytes[..<1_000]))
            try await pull.suspend()
            _ = try await store.resume(SHA256.digest([1]), size: 1)
            #expect(try await store.resume(digest, size: 2_000_000).offset == 1_000)
        }
    }
}
