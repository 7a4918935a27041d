import Foundation
import GRDB
import Resources
import Testing
import Vocabulary

@testable import Storage

@Suite struct OpeningTests {
    @Test("a second agent on one data folder is refused, and told which process has it")
    func twice() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            try await store.put("a", text("x"))
            await #expect(throws: StorageError.inUse(folder: scratch.data, pid: getpid())) {
                try await open(scratch.data)
            }
            #expect(try await store.bytes(of: "a") == text("x"))
        }
        let bytes = try await withStore(scratch) { store in try await store.bytes(of: "a") }
        #expect(bytes == text("x"))
    }

    @Test("another node, or another cluster, is refused and changes nothing")
    func otherNode() async throws {
        let scratch = try Scratch()
        let epoch = try await withStore(scratch, wall: 77) { $0.epoch }
        let wrong = StorageError.belongsTo(folder: scratch.data, node: try node("simba"), cluster: try cluster("crane"))
        await #expect(throws: wrong) { try await open(scratch.data, node: "mkango") }
        await #expect(throws: wrong) { try await open(scratch.data, cluster: "heron") }
        #expect(try await withStore(scratch, wall: 0) { $0.epoch } == epoch + 1)
    }

    @Test(
        "a folder of another user is refused, naming both users",
        .enabled(if: isRoot, "only root can give a folder away"))
    func otherOwner() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { _ in }
        #expect(chown(scratch.data, 12_345, 0) == 0)
        let wrong = StorageError.notOurs(path: scratch.data, owner: 12_345, user: 0)
        await #expect(throws: wrong) { try await open(scratch.data) }
        #expect(wrong.description.contains("12345"))
        #expect(chown(scratch.data, 0, 0) == 0)
        #expect(chown("\(scratch.data)/catalogue.sqlite", 12_345, 0) == 0)
        await #expect(
            throws: StorageError.notOurs(path: "\(scratch.data)/catalogue.sqlite", owner: 12_345, user: 0)
        ) { try await open(scratch.data) }
    }

    @Test("a catalogue with foreign, flipped, cut-off or no bytes is reported as damaged, and left as it is")
    func damaged() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let lease = try await store.keep(text("x"))
            try await store.merge(
                (0..<300).map { number in
                    Version(
                        name: try name("name/\(number)"), dot: Dot(node: try node(), epoch: 1, counter: number),
                        context: CausalContext(), time: HybridTime(raw: number),
                        content: .blob(digest: lease.digest, size: lease.size, mediaType: ""), home: nil)
                }, holding: [lease])
        }
        let path = "\(scratch.data)/catalogue.sqlite"
        let sound = try Data(contentsOf: URL(fileURLWithPath: path))
        var flipped = sound
        for index in stride(from: 8_192, to: flipped.count, by: 4_096) { flipped[index] = 0xFF }
        for broken in [
            Data(text("not a database at all, but long enough to be read as one")), flipped,
            sound.prefix(sound.count / 2), Data(),
        ] {
            for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
            try broken.write(to: URL(fileURLWithPath: path))
            do {
                let store = try await open(scratch.data)
                await store.shutdown()
                Issue.record("\(broken.count) bytes were taken for a catalogue")
            } catch StorageError.damaged(let reported, let detail) {
                #expect(reported == path)
                #expect(
                    StorageError.damaged(path: reported, detail: detail).description.contains("move the data folder"))
            }
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == broken)
        }
        try FileManager.default.removeItem(atPath: path)
        await #expect(throws: StorageError.self) { try await open(scratch.data) }
        for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        try sound.write(to: URL(fileURLWithPath: path))
        try await withStore(scratch) { store in
            await store.collector.sweepEnd()
            let bytes = try await store.bytes(of: "name/299")
            #expect(bytes == text("x"))
        }
    }

    @Test("a folder that a newer Roost wrote is refused")
    func newer() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            try await store.catalogue.onWriter("pretend") { db in try db.execute(sql: "PRAGMA user_version = 9") }
        }
        await #expect(throws: StorageError.newerSchema(folder: scratch.data, found: 9, known: 1)) {
            try await open(scratch.data)
        }
    }

    @Test("a folder that can not be made names the path and the reason")
    func notAFolder() async throws {
        let scratch = try Scratch()
        try Data().write(to: URL(fileURLWithPath: scratch.data))
        do {
            _ = try await open(scratch.data + "/below")
            Issue.record("a file was taken for a folder")
        } catch StorageError.io(_, let path, let code) {
            #expect(path.hasPrefix(scratch.data))
            #expect(code == ENOTDIR)
        }
    }
}
