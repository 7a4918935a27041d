import Foundation
import NIOConcurrencyHelpers
import NIOCore
import Resources
import TLS
import Testing
import Vocabulary

@testable import Storage

/// A clock that moves only when somebody waits for it.
final class ScrubClock: Sendable {
    private let state = NIOLockedValueBox((now: Instant.zero, pauses: 0))
    /// Called at each wait, with its number from 1 on.
    let onPause: @Sendable (Int) async throws -> Void

    init(onPause: @escaping @Sendable (Int) async throws -> Void = { _ in }) { self.onPause = onPause }

    var now: Instant { state.withLockedValue { $0.now } }
    var pauses: Int { state.withLockedValue { $0.pauses } }

    var clock: Scrubber.Clock {
        Scrubber.Clock(
            now: { self.now }, wall: { 1_000_000 + UInt64(self.now.nanoseconds / 1_000_000) },
            pause: { wait in
                let number = self.state.withLockedValue { state in
                    state.now = state.now + wait
                    state.pauses += 1
                    return state.pauses
                }
                try await self.onPause(number)
            })
    }
}

extension Scratch {
    func path(of bytes: [UInt8]) -> String { DataFolder(path: data).blob(SHA256.digest(bytes)) }

    /// Changes one bit of the blob's file where it is, as a disk does.
    func flip(_ bytes: [UInt8], at offset: Int) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path(of: bytes)))
        try file.seek(toOffset: UInt64(offset))
        try file.write(contentsOf: [bytes[offset] ^ 0x10])
        try file.close()
    }
}

private final class Findings: Sendable {
    private let box = NIOLockedValueBox<[Scrubber.Finding]>([])
    func add(_ finding: Scrubber.Finding) { box.withLockedValue { $0.append(finding) } }
    var all: [Scrubber.Finding] { box.withLockedValue { $0 } }
    var faults: [ContentDigest: BlobFault] {
        Dictionary(all.map { ($0.blob.digest, $0.fault) }, uniquingKeysWith: { first, _ in first })
    }
}

@Suite("Reading the disk through, and what is found wrong")
struct ScrubTests {
    private func blobs(_ count: Int, bytes: Int = 20_000) -> [[UInt8]] {
        (0..<count).map { noise(bytes, seed: UInt64($0) + 100) }
    }

    private func put(_ blobs: [[UInt8]], in store: Store) async throws {
        for (index, bytes) in blobs.enumerated() { try await store.put("scrub/\(index)", bytes) }
    }

    @Test(
        "a pass finds what is flipped, cut short, gone or not readable, and nothing else, in the order of the digests")
    func faults() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let folder = scratch.path + "/a-folder"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            let folderBytes = try #require(try Files.facts(folder)).size
            var all = blobs(6)
            all.append(noise(Int(folderBytes), seed: 9))
            all.append([])
            try await put(all, in: store)
            try scratch.flip(all[0], at: 19_999)
            try FileHandle(forUpdating: URL(fileURLWithPath: scratch.path(of: all[1]))).truncate(atOffset: 7)
            try FileManager.default.removeItem(atPath: scratch.path(of: all[2]))
            try FileManager.default.removeItem(atPath: scratch.path(of: all[6]))
            try FileManager.default.moveItem(atPath: folder, toPath: scratch.path(of: all[6]))

            let findings = Findings()
            let scrubber = Scrubber(store: store, clock: ScrubClock().clock)
            try await scrubber.pass(bytesPerSecond: 1 << 20) { findings.add($0) }
            let expected: [([UInt8], BlobFault)] = [
                (all[0], .flipped), (all[1], .size), (all[2], .missing), (all[6], .unreadable),
            ]
            #expect(
                findings.faults
                    == Dictionary(uniqueKeysWithValues: expected.map { (SHA256.digest($0.0), $0.1) }))
            let order = findings.all.map(\.blob.digest)
            #expect(order == order.sorted())
            let last = try #require(scrubber.record.last)
            #expect(last.checkedBlobs == 8 && last.faults == 4)
            #expect(scrubber.record.pass == nil && scrubber.record.cursor == nil)
        }
    }

    @Test("a pass that a restart breaks off goes on where it was, and checks nothing twice")
    func restart() async throws {
        let scratch = try Scratch()
        let all = blobs(9)
        try await withStore(scratch) { store in
            try await put(all, in: store)
            let clock = ScrubClock { number in if number == 5 { throw CancellationError() } }
            let scrubber = Scrubber(store: store, clock: clock.clock)
            await #expect(throws: CancellationError.self) {
                try await scrubber.pass(bytesPerSecond: 1_000) { _ in }
            }
            #expect(scrubber.record.pass?.checkedBlobs == 4)
        }
        try scratch.flip(all.sorted { SHA256.digest($0) < SHA256.digest($1) }[8], at: 1)
        try await withStore(scratch) { store in
            let scrubber = Scrubber(store: store, clock: ScrubClock().clock)
            try await scrubber.load()
            let findings = Findings()
            try await scrubber.pass(bytesPerSecond: 1_000) { findings.add($0) }
            #expect(scrubber.read.blobs == 5)
            #expect(scrubber.record.last?.checkedBlobs == 9)
            #expect(findings.all.count == 1)
            // And anew is anew.
            try await scrubber.pass(anew: true, bytesPerSecond: 1_000) { _ in }
            #expect(scrubber.read.blobs == 14)
        }
    }

    @Test("a pass reads as fast as it may, and no faster", arguments: [UInt64(100_000), 10_000_000])
    func rate(bytesPerSecond: UInt64) async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let all = blobs(5, bytes: 3_000_000)
            try await put(all, in: store)
            let clock = ScrubClock()
            try await Scrubber(store: store, clock: clock.clock).pass(bytesPerSecond: bytesPerSecond) { _ in }
            let counted = 5 * (3_000_000 + Double(ScrubPace.fileBytes))
            let seconds = Double(clock.now.nanoseconds) / 1e9
            let expected = counted / Double(bytesPerSecond)
            #expect(abs(seconds - expected) <= 0.011, "\(seconds) s, not \(expected) s")
        }
    }

    @Test("time in which nothing was read is not made up for in a burst")
    func noBurst() {
        var pace = ScrubPace(bytesPerSecond: 1_000)
        #expect(pace.wait(after: 500, at: .zero) == .milliseconds(500))
        let later = Instant.zero + .seconds(3600)
        #expect(pace.wait(after: 500, at: later) == .milliseconds(500))
        // Short waits come together.
        var fine = ScrubPace(bytesPerSecond: 1_000_000)
        #expect(fine.wait(after: 6_000, at: .zero) == .zero)
        #expect(fine.wait(after: 6_000, at: .zero) == .milliseconds(12))
    }

    @Test("a blob that is dropped while it is looked at is no fault")
    func droppedMeanwhile() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let all = blobs(2)
            var groups: [GroupSummary] = []
            for (index, bytes) in all.enumerated() {
                groups += try await store.put("scrub/\(index)", bytes, home: node("n\(index)")).groups
            }
            let summaries = groups
            let clock = ScrubClock { number in
                guard number == 1 else { return }
                for group in summaries { _ = try await store.drop(group.key, ifDigest: group.digest) }
                try await store.collect()
            }
            let findings = Findings()
            let scrubber = Scrubber(store: store, clock: clock.clock)
            try await scrubber.pass(bytesPerSecond: 1_000) { findings.add($0) }
            #expect(scratch.files(in: "blobs") == [])
            // The second was in the list already.
            #expect(findings.all.isEmpty && scrubber.record.last?.faults == 0)
            // Had it gone a moment later, that nobody needs it any more would be found out where it counts.
            for bytes in all { #expect(try await store.setAside(SHA256.digest(bytes), .missing, nil) == nil) }
            #expect(scratch.files(in: "rotten") == [])
            #expect(try await store.lacking().isEmpty)
        }
    }

    @Test("what is set aside is missing to everyone, also after a restart, until its bytes come again")
    func setAside() async throws {
        let scratch = try Scratch()
        let bytes = noise(30_000, seed: 1)
        let digest = SHA256.digest(bytes)
        try await withStore(scratch) { store in
            try await store.put("a", bytes)
            try scratch.flip(bytes, at: 5)
            let reader = try #require(try await store.blob(digest))
            await #expect(throws: StorageError.rotten(digest)) { try await reader.whole() }
            let use = try #require(try await store.setAside(digest, .flipped, reader))
            #expect(use.names.map(\.text) == ["a"] && use.size == 30_000 && use.groups.count == 1)
            #expect(try await store.blob(digest) == nil)
            #expect(try await store.lease(digest, size: 30_000) == nil)
            #expect(scratch.files(in: "rotten") == [digest.hex])
        }
        try await withStore(scratch) { store in
            #expect(try await Array(store.lacking().keys) == [StoredBlob(digest: digest, size: 30_000)])
            try await store.trimSetAside()
            #expect(scratch.files(in: "rotten") == [digest.hex], "it may be the nearest to the bytes that there is")
            _ = try await store.keep(bytes)
            #expect(try await store.lacking().isEmpty)
            #expect(try await store.bytes(of: "a") == bytes)
        }
    }

    @Test("that a file was gone is known after a restart, and forgotten when the bytes are here again")
    func gone() async throws {
        let scratch = try Scratch()
        let bytes = noise(30_000, seed: 4)
        let digest = SHA256.digest(bytes)
        try await withStore(scratch) { store in
            try await store.put("a", bytes)
            try await store.put("b", bytes)
            try FileManager.default.removeItem(atPath: scratch.path(of: bytes))
            let use = try #require(try await store.setAside(digest, .missing, nil))
            #expect(use.names.map(\.text).sorted() == ["a", "b"] && use.groups.count == 2)
        }
        try await withStore(scratch) { store in
            let lacking = try await store.lacking()
            #expect(lacking.keys.map(\.digest) == [digest] && lacking.values.first?.groups.count == 2)
            _ = try await store.keep(bytes)
            #expect(try await store.lacking().isEmpty)
            try await store.trimSetAside()
            #expect(scratch.files(in: "rotten") == [])
        }
    }

    @Test(
        "a lease makes no bad bytes good: the file goes, the commit that counted on it is refused, and takes the new one"
    )
    func underLease() async throws {
        let scratch = try Scratch()
        let bytes = noise(30_000, seed: 2)
        let digest = SHA256.digest(bytes)
        try await withStore(scratch) { store in
            try await store.put("a", bytes)
            let lease = try #require(try await store.lease(digest, size: 30_000))
            try scratch.flip(bytes, at: 29_999)
            let reader = try #require(try await store.blob(digest))
            #expect(try await store.setAside(digest, .flipped, reader) != nil)
            let version = Version(
                name: try name("b"), dot: Dot(node: try node("mkango"), epoch: 1, counter: 1),
                context: CausalContext(), time: HybridTime(raw: 1),
                content: .blob(digest: digest, size: 30_000, mediaType: ""), home: nil)
            await #expect(throws: StorageError.missingBlob(digest)) {
                try await store.merge([version], holding: [lease])
            }
            let fresh = try await store.keep(bytes)
            try await store.merge([version], holding: [lease, fresh])
            #expect(try await store.bytes(of: "b") == bytes)
        }
    }

    @Test("that somebody keeps bytes does not make them right: who is to count on them has them read")
    func underLeaseOfAnother() async throws {
        let scratch = try Scratch()
        let bytes = noise(30_000, seed: 3)
        let digest = SHA256.digest(bytes)
        try await withStore(scratch) { store in
            try await store.put("a", bytes)
            try scratch.flip(bytes, at: 7)
            let other = try #require(try await store.lease(digest, size: 30_000))
            #expect(try await store.checkedLease(digest, size: 30_000) == nil)
            // What has come in is right while somebody keeps it, and is not read again.
            let fresh = try await store.keep(bytes)
            try scratch.flip(bytes, at: 7)
            #expect(try await store.checkedLease(digest, size: 30_000) != nil)
            // Until it was found wrong.
            let reader = try #require(try await store.blob(digest))
            #expect(try await store.setAside(digest, .flipped, reader) != nil)
            #expect(try await store.checkedLease(digest, size: 30_000) == nil)
            withExtendedLifetime((other, fresh)) {}
        }
    }

    @Test("a file that has taken the place of the bad one since stays")
    func replacedMeanwhile() async throws {
        let scratch = try Scratch()
        let bytes = noise(30_000, seed: 3)
        let digest = SHA256.digest(bytes)
        try await withStore(scratch) { store in
            try await store.put("a", bytes)
            try scratch.flip(bytes, at: 0)
            let reader = try #require(try await store.blob(digest))
            try await store.put("b", bytes)
            #expect(try await store.setAside(digest, .flipped, reader) == nil)
            #expect(try await store.bytes(of: "a") == bytes)
            // Nor is one missing that is there again.
            #expect(try await store.setAside(digest, .missing, nil) == nil)
        }
    }

    @Test("of what is healed the newest files are kept aside, to a bound")
    func bound() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let all = blobs(SetAsideLimits.countMax + 3, bytes: 100)
            try await put(all, in: store)
            for bytes in all {
                try scratch.flip(bytes, at: 50)
                let digest = SHA256.digest(bytes)
                _ = try await store.setAside(digest, .flipped, try await store.blob(digest))
                _ = try await store.keep(bytes)
            }
            #expect(scratch.files(in: "rotten").count == all.count)
            try await store.trimSetAside()
            #expect(scratch.files(in: "rotten").count == SetAsideLimits.countMax)
        }
    }
}

@Suite("Bytes given out are those that were put")
struct CheckedReadTests {
    @Test("a flipped bit, wherever it is, keeps the last piece back", arguments: [0, 1_048_576, 2_999_999])
    func wholeRead(offset: Int) async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let bytes = noise(3_000_000, seed: 4)
            try await store.put("a", bytes)
            let digest = SHA256.digest(bytes)
            func read() async throws -> [UInt8] {
                let read = try CheckedRead(try #require(try await store.blob(digest)))
                var got: [UInt8] = []
                do {
                    while let piece = try await read.next(upTo: 500_000) { got += piece.readableBytesView }
                } catch {
                    #expect(error == .rotten(digest))
                }
                return got
            }
            #expect(try await read() == bytes)
            try scratch.flip(bytes, at: offset)
            #expect(try await read().count == 2_500_000)
        }
    }

    @Test("a part is checked by the sums of its blocks, also of a file that went bad after they were learnt")
    func parts() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let bytes = noise(3_500_000, seed: 5)
            try await store.put("a", bytes)
            let digest = SHA256.digest(bytes)
            let reader = try #require(try await store.blob(digest))
            await #expect(throws: StorageError.missingBlob(digest)) {
                try await store.checkedPart(of: reader, offset: 0, count: 10)
            }
            #expect(!store.knowsBlocks(of: digest))
            try await store.learnBlocks(of: reader)
            #expect(store.knowsBlocks(of: digest))
            for range in [0..<10, 1_048_570..<1_048_580, 3_400_000..<3_500_000, 0..<3_500_000] {
                var got: [UInt8] = []
                while got.count < range.count {
                    let part = try await store.checkedPart(
                        of: reader, offset: UInt64(range.lowerBound + got.count), count: UInt64(range.count - got.count)
                    )
                    try #require(part.readableBytes > 0)
                    got += part.readableBytesView
                }
                #expect(got == Array(bytes[range]))
            }
            try scratch.flip(bytes, at: 2_097_152)
            #expect(try await store.checkedPart(of: reader, offset: 2_097_000, count: 500).readableBytes == 152)
            await #expect(throws: StorageError.rotten(digest)) {
                try await store.checkedPart(of: reader, offset: 3_000_000, count: 1)
            }
        }
    }

    @Test("the blocks of a file that is wrong are not learnt")
    func notLearnt() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let bytes = noise(1_500_000, seed: 6)
            try await store.put("a", bytes)
            try scratch.flip(bytes, at: 1_400_000)
            let reader = try #require(try await store.blob(SHA256.digest(bytes)))
            await #expect(throws: StorageError.rotten(SHA256.digest(bytes))) { try await store.learnBlocks(of: reader) }
            #expect(!store.knowsBlocks(of: SHA256.digest(bytes)))
        }
    }

    @Test("a blob of a tebibyte has no more sums than fit")
    func blockSize() {
        #expect(BlockSums.blockBytes(for: 0) == 1 << 20)
        #expect(BlockSums.blockBytes(for: 1 << 36) == 1 << 20)
        #expect(BlockSums.blockBytes(for: 1 << 40) == 1 << 24)
    }
}
