import Foundation
import GRDB
import NIOCore
import Resources
import TLS
import Testing
import Vocabulary

@testable import Storage

@Suite struct DurabilityTests {
    @Test("what a write has returned is in a copy of the folder that is taken at that instant")
    func copyWhileOpen() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            for round in 0..<5 {
                let written = try await store.put(
                    "law/\(round)", noise(300_000, seed: UInt64(round)), home: node("mkango"))
                let copy = try Scratch()
                try FileManager.default.copyItem(atPath: scratch.data, toPath: copy.data)
                try await withStore(copy) { reopened in
                    for earlier in 0...round {
                        let bytes = try await reopened.bytes(of: "law/\(earlier)")
                        #expect(bytes == noise(300_000, seed: UInt64(earlier)))
                    }
                    let set = try await reopened.versions(of: name("law/\(round)"))
                    #expect(set?.head == written.version)
                    try await reopened.expectGroupsAreRight()
                }
            }
        }
    }

    @Test("the catalogue syncs its log at every commit")
    func fullSync() async throws {
        try await withStore(Scratch()) { store in
            let answers = try await store.catalogue.onWriter("ask") { db in
                [
                    try String.fetchOne(db, sql: "PRAGMA synchronous"),
                    try String.fetchOne(db, sql: "PRAGMA journal_mode"),
                ]
            }
            #expect(answers == ["2", "wal"])
        }
    }

    @Test("the boot epoch grows with each start, also when the machine's clock went back")
    func epochGrows() async throws {
        let scratch = try Scratch()
        let first = try await withStore(scratch, wall: 1_000_000) { $0.epoch }
        let second = try await withStore(scratch, wall: 5_000) { $0.epoch }
        let third = try await withStore(scratch, wall: 2_000_000) { $0.epoch }
        #expect(first == 1_000_000)
        #expect(second == 1_000_001)
        #expect(third == 2_000_000)
    }

    @Test("dots of one boot count up, and those of the next boot are greater")
    func dotsGrow() async throws {
        let scratch = try Scratch()
        var dots: [Dot] = []
        try await withStore(scratch, wall: 9_000) { store in
            for _ in 0..<3 { dots.append(try await store.put("a", text("x")).version.dot) }
        }
        try await withStore(scratch, wall: 1) { store in dots.append(try await store.put("a", text("x")).version.dot) }
        #expect(dots == dots.sorted())
        #expect(Set(dots).count == 4)
    }

    @Test("a clock that went back does not put a write below what it has seen")
    func clockBack() async throws {
        try await withStore(Scratch()) { store in
            try await store.put("a", text("old"), wall: 10_000_000)
            try await store.put("a", text("new"), wall: 1)
            let bytes = try await store.bytes(of: "a")
            #expect(bytes == text("new"))
        }
    }

    @Test("values of the agent survive a restart, can be removed, and are bounded")
    func values() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            try await store.save([1, 2, 3], for: "members")
            try await store.save([], for: "empty")
            try await store.save([9], for: "gone")
            try await store.save(nil, for: "gone")
            // A key of the agent's is not one of the store's own.
            try await store.save([7], for: "cluster")
            await #expect(throws: StorageError.self) {
                try await store.save([UInt8](repeating: 0, count: Store.valueBytesMax + 1), for: "big")
            }
        }
        try await withStore(scratch) { store in
            let members = try await store.load("members")
            #expect(members == [1, 2, 3])
            #expect(try await store.load("empty") == [])
            #expect(try await store.load("gone") == nil)
            #expect(try await store.load("big") == nil)
        }
    }

    @Test("after shutdown every call says that the store is closed")
    func closed() async throws {
        let scratch = try Scratch()
        let store = try await open(scratch.data)
        try await store.put("a", text("x"))
        await store.shutdown()
        await store.shutdown()
        let closed = StorageError.closed(folder: scratch.data)
        await #expect(throws: closed) { try await store.receive() }
        await #expect(throws: closed) { try await store.versions(of: name("a")) }
        await #expect(throws: closed) { try await store.delete("a") }
    }
}
