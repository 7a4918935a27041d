import Resources
import TLS
import Testing
import Vocabulary

@testable import Storage

@Suite struct DropTests {
    @Test("a group that changed since it was looked at is not dropped")
    func stale() async throws {
        try await withStore(Scratch()) { store in
            let before = try await store.put("a", text("1")).groups[0]
            let after = try await store.put("a", text("2")).groups[0]
            #expect(before.key == after.key)
            #expect(try await !store.drop(before.key, ifDigest: before.digest))
            #expect(try await store.bytes(of: "a") == text("2"))
            #expect(try await store.drop(after.key, ifDigest: after.digest))
            #expect(try await store.groups().isEmpty)
            #expect(try await store.list(liveOnly: false).isEmpty)
        }
    }

    @Test("a drop removes its own group only")
    func onlyItsOwn() async throws {
        try await withStore(Scratch()) { store in
            for number in 0..<40 { try await store.put("n/\(number)", text("\(number)")) }
            let groups = try await store.groups()
            #expect(groups.count > 2)
            #expect(try await store.drop(groups[1].key, ifDigest: groups[1].digest))
            #expect(try await store.groups() == [groups[0]] + groups[2...])
            try await store.expectGroupsAreRight()
            try await store.collect()
            for set in try await store.list() { #expect(try await store.bytes(of: set.name.text) != nil) }
        }
    }

    @Test(
        "who drops what it wrote does not vouch for it by what it writes later, also after a start with its clock set back"
    )
    func forgetting() async throws {
        let scratch = try Scratch()
        let last = try await withStore(scratch, wall: 5_000) { store in
            let first = try await store.put("a", text("1"))
            let second = try await store.put("b", text("2"))
            #expect(second.version.dot.epoch == first.version.dot.epoch)
            #expect(try await store.drop(first.groups[0].key, ifDigest: first.groups[0].digest))
            let third = try await store.put("a", text("3"))
            #expect(!third.set.context.covers(first.version.dot))
            let fourth = try await store.put("a", text("4"))
            #expect(fourth.version.dot.epoch == third.version.dot.epoch)
            #expect(fourth.version.context.covers(third.version.dot))
            return fourth.version
        }
        try await withStore(scratch, wall: 0) { store in
            #expect(store.epoch > last.dot.epoch)
            // What others wrote is no reason.
            let foreign = Version(
                name: try name("c"), dot: Dot(node: try node("mkango"), epoch: 1, counter: 1),
                context: CausalContext(), time: last.time, content: .tombstone, home: nil)
            try await store.merge([foreign])
            for group in try await store.groups() where group.key == VersionSet(foreign).group(in: store.cluster) {
                #expect(try await store.drop(group.key, ifDigest: group.digest))
            }
            #expect(try await store.versions(of: foreign.name) == nil)
            #expect(try await store.put("a", text("5")).version.dot.epoch == store.epoch)
        }
    }

    @Test("a drop that races with a write of the same bytes never loses them")
    func race() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let bytes = text("wanted by one, dropped by the other")
            for round in 0..<150 {
                let old = try await store.put("old/\(round)", bytes).groups[0]
                async let dropped = store.drop(old.key, ifDigest: old.digest)
                async let collected: Void = store.collect()
                let new = try await store.put("new/\(round)", bytes)
                let isDropped = try await dropped
                try await collected
                try await store.collect()
                #expect(try await store.bytes(of: "new/\(round)") == bytes, "round \(round)")
                // Both may be of one group; then the drop was refused, or came first.
                if isDropped, new.groups[0].key != old.key {
                    #expect(try await store.versions(of: name("old/\(round)")) == nil)
                }
                for group in try await store.groups() {
                    #expect(try await store.drop(group.key, ifDigest: group.digest))
                }
                try await store.collect()
            }
            #expect(scratch.files(in: "blobs") == [])
            #expect(scratch.files(in: "incoming") == [])
        }
    }

    @Test("a start removes blobs that no version names, and no others")
    func sweep() async throws {
        let scratch = try Scratch()
        let orphan = SHA256.digest(text("orphan"))
        try await withStore(scratch) { store in
            try await store.put("a", text("kept"))
            // A crash between finish and commit leaves just this.
            let path = store.data.blob(orphan)
            try Files.makeFolder(Files.parent(of: path))
            let file = try Files.open(path, 0o102)
            text("orphan").withUnsafeBytes { bytes in _ = try? file.write(bytes) }
        }
        #expect(scratch.files(in: "blobs").count == 2)
        try await withStore(scratch) { store in
            await store.collector.sweepEnd()
            try await store.collect()
            #expect(scratch.files(in: "blobs").count == 1)
            #expect(try await store.bytes(of: "a") == text("kept"))
        }
    }
}
