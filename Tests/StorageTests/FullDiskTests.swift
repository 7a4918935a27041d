import Foundation
import NIOCore
import Resources
import TLS
import Testing
import Vocabulary

@testable import Storage

@Suite(.enabled(if: canMount, "mounting a small tmpfs needs the right to mount"))
struct FullDiskTests {
    /// Fills the file system to its last byte; returns the filler's path.
    private func fill(_ scratch: Scratch) throws -> String {
        let path = scratch.path + "/filler"
        let file = try Files.open(path, O_RDWR | O_CREAT)
        let block = [UInt8](repeating: 1, count: 4_096)
        let full = #expect(throws: StorageError.self) {
            while true { try block.withUnsafeBytes { try file.write($0) } }
        }
        guard case .full = full else { throw full ?? StorageError.streamClosed }
        return path
    }

    private func isFull(_ error: any Error) -> Bool {
        if case StorageError.full = error { true } else { false }
    }

    @Test(
        "bytes that do not fit are refused as full, leave nothing, and fit again when there is space",
        arguments: [0, 16 * 1_024 * 1_024])
    func blob(reserve: Int) async throws {
        let scratch = try Scratch(tmpfsMebibytes: 8)
        var settings = Store.Settings()
        settings.reserveBytes = UInt64(reserve)
        try await withStore(scratch, settings: settings) { store in
            try await store.put("small", text("x"))
            let incoming = try await store.receive()
            do {
                for number in 0..<64 {
                    try await incoming.write(ByteBuffer(bytes: noise(300_000, seed: UInt64(number))))
                }
                _ = try await incoming.finish()
                Issue.record("19 MB fitted into 8 MiB")
            } catch { #expect(isFull(error), "\(error)") }
            #expect(scratch.files(in: "incoming") == [])
            #expect(scratch.files(in: "blobs").count == 1)
            try await store.put("after", noise(300_000, seed: 99))
            #expect(try await store.bytes(of: "small") == text("x"))
        }
    }

    @Test("a pull that can not fit is refused before its first byte, again and again, and keeps what it has")
    func pull() async throws {
        let scratch = try Scratch(tmpfsMebibytes: 8)
        let bytes = noise(5_000_000, seed: 5)
        let digest = SHA256.digest(bytes)
        try await withStore(scratch) { store in
            let first = try await store.resume(digest, size: 5_000_000)
            try await first.write(ByteBuffer(bytes: bytes[..<2_000_000]))
            try await first.suspend()
            let filler = try fill(scratch)
            for _ in 0..<3 {
                do {
                    _ = try await store.resume(digest, size: 5_000_000)
                    Issue.record("3 MB fitted into a full disk")
                } catch { #expect(isFull(error), "\(error)") }
            }
            #expect(scratch.files(in: "incoming").count == 1)
            try Files.remove(filler)
            let again = try await store.resume(digest, size: 5_000_000)
            #expect(again.offset == 2_000_000)
            try await again.write(ByteBuffer(bytes: bytes[2_000_000...]))
            #expect(try await again.finish().digest == digest)
        }
    }

    @Test("a disk that others fill while a pull is under way ends it as full, and nothing of it is kept")
    func pullUnderWay() async throws {
        let scratch = try Scratch(tmpfsMebibytes: 8)
        let bytes = noise(3_000_000, seed: 6)
        let digest = SHA256.digest(bytes)
        try await withStore(scratch) { store in
            let pull = try await store.resume(digest, size: 3_000_000)
            try await pull.write(ByteBuffer(bytes: bytes[..<1_000_000]))
            _ = try fill(scratch)
            do {
                try await pull.write(ByteBuffer(bytes: bytes[1_000_000...]))
                Issue.record("2 MB fitted into a full disk")
            } catch { #expect(isFull(error), "\(error)") }
            #expect(scratch.files(in: "incoming") == [])
            #expect(store.blobs.streams.promisedBytes == 0)
        }
    }

    @Test("a catalogue that can not grow refuses the write as full, and goes on when there is space")
    func catalogue() async throws {
        let scratch = try Scratch(tmpfsMebibytes: 8)
        var settings = Store.Settings()
        settings.reserveBytes = 0
        try await withStore(scratch, settings: settings) { store in
            let lease = try await store.keep(text("x"))
            func write(_ number: Int) async throws {
                _ = try await store.write(
                    WriteRequest(
                        name: name("name/\(number)"),
                        content: .blob(digest: lease.digest, size: lease.size, mediaType: ""), home: nil,
                        precondition: .none),
                    wallMilliseconds: 1, holding: lease)
            }
            try await write(0)
            let filler = try fill(scratch)
            var acknowledged = 0
            do {
                for number in 1...5_000 {
                    try await write(number)
                    acknowledged = number
                }
                Issue.record("5,000 names fitted into a full disk")
            } catch { #expect(isFull(error), "\(error)") }
            try await store.expectGroupsAreRight()
            for number in 0...acknowledged { #expect(try await store.versions(of: name("name/\(number)")) != nil) }
            #expect(try await store.versions(of: name("name/\(acknowledged + 1)")) == nil)
            try Files.remove(filler)
            try await write(acknowledged + 1)
            try await store.expectGroupsAreRight()
        }
        try await withStore(scratch) { store in
            #expect(try await store.bytes(of: "name/0") == text("x"))
            try await store.expectGroupsAreRight()
        }
    }

    @Test("on a disk that incoming bytes have filled a delete still works and gives space back")
    func deleteWhenFull() async throws {
        let scratch = try Scratch(tmpfsMebibytes: 8)
        try await withStore(scratch) { store in
            var stored = 0
            do {
                for number in 0..<100 {
                    try await store.put("n/\(number)", noise(200_000, seed: UInt64(number)))
                    stored += 1
                }
            } catch { #expect(isFull(error), "\(error)") }
            #expect((5..<100).contains(stored))
            for number in 0..<5 { try await store.delete("n/\(number)") }
            try await store.collect()
            try await store.put("again", noise(500_000, seed: 1_000))
            #expect(try await store.bytes(of: "n/\(stored - 1)") == noise(200_000, seed: UInt64(stored - 1)))
        }
    }

    @Test(
        "on a disk that others filled to the last byte it starts, and lets go of what it holds, by what was set aside")
    func lastByte() async throws {
        let scratch = try Scratch(tmpfsMebibytes: 24)
        let ballast = scratch.data + "/ballast"
        try await withStore(scratch) { store in
            for number in 0..<4 { try await store.put("n/\(number)", noise(200_000, seed: UInt64(number))) }
            #expect(try Files.facts(ballast)?.size == Ballast.bytes)
            let filler = try fill(scratch)
            #expect(Files.space(at: scratch.path)?.free == 0)
            for number in 0..<3 { try await store.delete("n/\(number)") }
            #expect(try Files.facts(ballast) == nil)
            try await store.collect()
            try Files.remove(filler)
            try await store.put("n/1", noise(100, seed: 9))
            try await store.delete("n/1")
            try await store.collect()
            #expect(try Files.facts(ballast)?.size == Ballast.bytes, "set aside again, as there is room")
        }
        _ = try fill(scratch)
        #expect(Files.space(at: scratch.path)?.free == 0)
        try await withStore(scratch) { store in
            #expect(try await store.bytes(of: "n/3") == noise(200_000, seed: 3))
            try await store.delete("n/3")
            try await store.expectGroupsAreRight()
        }
    }
}
