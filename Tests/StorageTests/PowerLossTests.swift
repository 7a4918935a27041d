import Foundation
import NIOCore
import Resources
import TLS
import Testing
import Vocabulary

@testable import Storage

/// Law 1 under every power cut: after each change that a store makes to its folder, in each state that the disk may then
/// be in, a store opens again, holds all that was acknowledged, gives out no other bytes, and brings nothing back.
@Suite("A power cut between any two changes of the folder", .timeLimit(.minutes(10)))
struct PowerLossTests {
    /// Of those moments of which not all states can be looked at, besides the two extremes.
    private static let statesDrawn = 8

    private func run(_ seed: UInt64, _ script: (PowerRecorder, Scratch) async throws -> Void) async throws {
        let (problems, moments, states) = try await replay(seed, script)
        #expect(Array(problems.prefix(10)) == [])
        #expect(moments > 5 && states > moments, "more than one state of a moment was legal")
    }

    /// - Parameter without: changes that are left out of what the disk is told, as if the store had not made them.
    private func replay(
        _ seed: UInt64, without: @escaping @Sendable (FileWatch.Change) -> Bool = { _ in false },
        stopsAtFirst: Bool = false,
        _ script: (PowerRecorder, Scratch) async throws -> Void
    ) async throws -> (problems: [String], moments: Int, states: Int) {
        let scratch = try Scratch()
        let recorder = PowerRecorder(scratch, without: without)
        try await script(recorder, scratch)
        let moments = recorder.moments
        var random = SeededGenerator(seed: seed)
        var tried: Set<Tried> = []
        var cases: [Case] = []
        for (index, moment) in moments.enumerated() {
            let label = "change \(index) of \(moments.count), \(moment.label), seed \(seed)"
            for state in moment.disk.states(drawn: Self.statesDrawn, using: &random) {
                let next = Tried(state: state, allowed: moment.promised)
                if tried.insert(next).inserted { cases.append(Case(state: state, moment: moment, label: label)) }
            }
        }
        return (
            try await problems(of: cases, from: scratch.path, stopsAtFirst: stopsAtFirst), moments.count, cases.count
        )
    }

    private struct Case: Sendable {
        let state: DiskModel.State
        let moment: PowerRecorder.Moment
        let label: String
    }

    /// Four at a time: what takes long is the disk.
    private func problems(of cases: [Case], from old: String, stopsAtFirst: Bool) async throws -> [String] {
        try await withThrowingTaskGroup(of: [String].self) { tasks in
            var rest = cases[...]
            var problems: [String] = []
            var running = 0
            while true {
                while running < 4, !(stopsAtFirst && !problems.isEmpty), let next = rest.popFirst() {
                    running += 1
                    tasks.addTask {
                        try await self.problems(of: next.state, next.moment, from: old).map { "\($0); \(next.label)" }
                    }
                }
                guard let more = try await tasks.next() else { return problems }
                running -= 1
                problems += more
            }
        }
    }

    private struct Tried: Hashable {
        let state: DiskModel.State
        let allowed: [String: Set<Promises.Promise>]

        init(state: DiskModel.State, allowed: Promises) {
            self.state = state
            self.allowed = Dictionary(uniqueKeysWithValues: allowed.names.map { ($0, allowed.allowed($0)) })
        }
    }

    /// Puts the state on a disk.
    private func materialize(_ state: DiskModel.State, from old: String, to new: String) throws {
        let manager = FileManager.default
        func moved(_ path: String) -> String { new + path.dropFirst(old.count) }
        let folders = state.filter { $0.value == nil }.keys.sorted()
        for folder in folders where manager.fileExists(atPath: Files.parent(of: moved(folder))) {
            try manager.createDirectory(atPath: moved(folder), withIntermediateDirectories: false)
        }
        // What is in a folder that is not there is not there either.
        for (path, bytes) in state {
            guard let bytes, manager.fileExists(atPath: Files.parent(of: moved(path))) else { continue }
            try Data(bytes).write(to: URL(fileURLWithPath: moved(path)))
        }
    }

    private func problems(
        of state: DiskModel.State, _ moment: PowerRecorder.Moment, from old: String
    ) async throws -> [String] {
        let scratch = try Scratch()
        try materialize(state, from: old, to: scratch.path)
        let store: Store
        do { store = try await open(scratch.data) } catch { return ["a store does not open: \(error)"] }
        var problems: [String] = []
        do {
            let lacking = Set(try await store.lacking().keys.map(\.digest))
            for name in moment.promised.names {
                guard let found = try await promise(of: name, lacking, in: store, &problems) else { continue }
                if !moment.promised.allowed(name).contains(found) { problems.append("\(name) is another") }
            }
            try await everyVersionHasItsBytes(store, lacking, scratch, &problems)
            try await store.expectGroupsAreRight()
        } catch { problems.append("\(error)") }
        await store.shutdown()
        return problems
    }

    /// What is held of a name now; nil when its bytes are known to be lacking, or found out to be wrong.
    private func promise(
        of text: String, _ lacking: Set<ContentDigest>, in store: Store, _ problems: inout [String]
    ) async throws -> Promises.Promise? {
        guard let set = try await store.versions(of: name(text)) else { return .nothing }
        guard let digest = set.live?.digest else { return .deleted }
        guard let reader = try await store.blob(digest) else {
            if !lacking.contains(digest) { problems.append("\(text) has no bytes, and nobody knows") }
            return nil
        }
        do { return .bytes(Array(try await reader.whole().readableBytesView)) } catch {
            problems.append("\(text): \(error)")
            return nil
        }
    }

    /// No version is without its bytes, and after a sweep no bytes are without a version.
    private func everyVersionHasItsBytes(
        _ store: Store, _ lacking: Set<ContentDigest>, _ scratch: Scratch, _ problems: inout [String]
    ) async throws {
        var needed: Set<ContentDigest> = []
        for set in try await store.list(liveOnly: false) {
            for version in set.versions {
                guard let digest = version.digest, !lacking.contains(digest) else { continue }
                needed.insert(digest)
                guard let reader = try await store.blob(digest) else {
                    problems.append("a version of \(set.name) has no bytes")
                    continue
                }
                do { _ = try await reader.whole() } catch { problems.append("a version of \(set.name): \(error)") }
            }
        }
        await store.collector.sweepEnd()
        try await store.collect()
        let kept = scratch.files(in: "blobs").compactMap { ContentDigest(hex: $0.filter { $0 != "/" }) }
        if Set(kept) != needed { problems.append("\(kept.count) blobs are kept, \(needed.count) needed") }
    }

    // MARK: Scripts

    private func bytes(_ seed: UInt64, _ count: Int = 3_000) -> [UInt8] { noise(count, seed: seed) }

    /// Does something to an open store, and waits for what follows from it.
    private func settled(_ store: Store, _ body: () async throws -> Void) async throws {
        try await body()
        await store.collector.sweepEnd()
        try await store.collect()
    }

    private func writes(_ recorder: PowerRecorder, _ scratch: Scratch) async throws {
        try await withStore(scratch) { store in
            for (label, text, content) in [
                ("put a", "a", bytes(1, 300_000)), ("put b", "b", bytes(2)), ("overwrite a", "a", bytes(3)),
                ("put c as b", "c", bytes(2)), ("put nothing", "d", []),
            ] {
                try await recorder.step(label, { $0.now[text] = .bytes(content) }) {
                    try await settled(store) { try await store.put(text, content) }
                }
            }
            for text in ["b", "a"] {
                try await recorder.step("delete \(text)", { $0.now[text] = .deleted }) {
                    try await settled(store) { try await store.delete(text) }
                }
            }
        }
    }

    @Test("the first start, puts, an overwrite, a delete")
    func writes() async throws { try await run(1) { try await writes($0, $1) } }

    /// What each of the store's syncs is good for: without it, some state is not legal.
    @Test(
        "a store that left a sync out would be found out",
        arguments: [
            "the bytes of a stream", "the folder that a blob comes into", "the folder of such folders",
            "the log of what is committed", "the catalogue that the log goes into",
        ])
    func sabotage(of what: String) async throws {
        let without: @Sendable (FileWatch.Change) -> Bool = { change in
            switch (change, what) {
            case (.synced(let path), "the bytes of a stream"): path.contains("/incoming/")
            case (.syncedFolder(let path), "the folder that a blob comes into"): path.contains("/blobs/")
            case (.syncedFolder(let path), "the folder of such folders"): path.hasSuffix("/blobs")
            case (.synced(let path), "the log of what is committed"): path.hasSuffix(".sqlite-wal")
            case (.synced(let path), "the catalogue that the log goes into"): path.hasSuffix(".sqlite")
            default: false
            }
        }
        let (problems, _, _) = try await replay(5, without: without, stopsAtFirst: true) { try await writes($0, $1) }
        #expect(!problems.isEmpty)
    }

    @Test("a pull that breaks off and goes on, a merge, a drop, and the same bytes again")
    func moves() async throws {
        let content = bytes(11, 600_000)
        let digest = SHA256.digest(content)
        func version(_ counter: UInt64) throws -> Version {
            Version(
                name: try name("m"), dot: Dot(node: try node("mkango"), epoch: 1, counter: counter),
                context: CausalContext(), time: HybridTime(raw: counter),
                content: .blob(digest: digest, size: 600_000, mediaType: ""), home: nil)
        }
        try await run(2) { recorder, scratch in
            try await withStore(scratch) { store in
                try await recorder.step("put other", { $0.now["other"] = .bytes(bytes(12)) }) {
                    try await settled(store) { try await store.put("other", bytes(12)) }
                }
                let first = try await store.resume(digest, size: 600_000)
                try await first.write(ByteBuffer(bytes: content[..<300_000]))
                try await first.suspend()
                let second = try await store.resume(digest, size: 600_000)
                try await second.write(ByteBuffer(bytes: content[300_000...]))
                let lease = try await second.finish()
                let merged = try version(1)
                try await recorder.step("merge", { $0.now["m"] = .bytes(content) }) {
                    try await settled(store) { try await store.merge([merged], holding: [lease]) }
                }
                let group = try await store.group(merged.group(in: store.cluster))
                try await recorder.step("drop", { $0.now["m"] = .nothing }) {
                    _ = try await store.drop(group.key, ifDigest: group.digest)
                }
                withExtendedLifetime(lease) {}
            }
            // The lease is gone with its scope: now the bytes go.
            try await withStore(scratch) { store in
                try await settled(store) {}
                let again = try version(2)
                try await recorder.step("put it again", { $0.now["m"] = .bytes(content) }) {
                    let lease = try await store.keep(content)
                    try await settled(store) { try await store.merge([again], holding: [lease]) }
                }
            }
        }
    }

    @Test("small blobs that come together, one of them in the place of a torn pull, and their merge")
    func together() async throws {
        let contents = (0..<3).map { bytes(31 + $0) }
        let versions = try contents.enumerated().map { index, content in
            Version(
                name: try name("s\(index)"), dot: Dot(node: try node("mkango"), epoch: 1, counter: UInt64(index)),
                context: CausalContext(), time: HybridTime(raw: 1),
                content: .blob(digest: SHA256.digest(content), size: 3_000, mediaType: ""), home: nil)
        }
        try await run(3) { recorder, scratch in
            try await withStore(scratch) { store in
                let torn = try await store.resume(SHA256.digest(contents[0]), size: 3_000)
                try await torn.write(ByteBuffer(bytes: contents[0].prefix(1_000)))
                try await torn.suspend()
                try await recorder.step(
                    "merge", { for index in 0..<3 { $0.now["s\(index)"] = .bytes(contents[index]) } }
                ) {
                    let kept = try await store.keepSmall(contents.map { (SHA256.digest($0), ByteBuffer(bytes: $0)) })
                    let leases = try kept.map { try $0.get() }
                    try await settled(store) { try await store.merge(versions, holding: leases) }
                }
            }
        }
    }

    @Test("a version on bytes that another brings, and has not synced into their folder yet")
    func besideAnother() async throws {
        let content = bytes(41)
        let digest = SHA256.digest(content)
        let merged = Version(
            name: try name("m"), dot: Dot(node: try node("mkango"), epoch: 1, counter: 1), context: CausalContext(),
            time: HybridTime(raw: 1), content: .blob(digest: digest, size: 3_000, mediaType: ""), home: nil)
        try await run(5) { recorder, scratch in
            try await withStore(scratch) { store in
                try half(content, digest, in: store.data)
                try await recorder.step("merge", { $0.now["m"] = .bytes(content) }) {
                    let lease = try await store.checkedLease(digest, size: 3_000)
                    try await store.merge([merged], holding: lease.map { [$0] } ?? [])
                }
            }
        }
    }

    /// As far as one has come that is syncing the folder now, or was killed there.
    private func half(_ content: [UInt8], _ digest: ContentDigest, in data: DataFolder) throws {
        let temporary = "\(data.incoming)/another"
        let file = try Files.open(temporary, O_RDWR | O_CREAT)
        let written: Result<Void, StorageError> = content.withUnsafeBytes { raw in
            Result { () throws(StorageError) in try file.write(raw) }
        }
        try written.get()
        try file.sync()
        try Files.makeFolder(data.shelf(digest))
        try Files.move(temporary, to: data.blob(digest))
    }

    @Test("a rotten blob is set aside, and healed")
    func setAside() async throws {
        let content = bytes(21, 40_000)
        let digest = SHA256.digest(content)
        try await run(4) { recorder, scratch in
            try await withStore(scratch) { store in
                try await recorder.step("put a", { $0.now["a"] = .bytes(content) }) {
                    try await settled(store) { try await store.put("a", content) }
                }
                try await recorder.step("put b", { $0.now["b"] = .bytes(bytes(22)) }) {
                    try await settled(store) { try await store.put("b", bytes(22)) }
                }
                let reader = try #require(try await store.blob(digest))
                // That it is rotten is not told by the file: it is the rename that is looked at.
                try await recorder.step("set aside", { _ in }) {
                    _ = try #require(try await store.setAside(digest, .flipped, reader))
                }
                try await recorder.step("heal", { _ in }) {
                    let lease = try await store.keep(content)
                    withExtendedLifetime(lease) {}
                }
                try await recorder.step("trim", { _ in }) { try await store.trimSetAside() }
            }
        }
    }

    @Test("the model finds what is planted: a rename without a sync before it, and one without a sync after it")
    func planted() throws {
        var random = SeededGenerator(seed: 7)
        func states(_ changes: [FileWatch.Change]) -> Set<[UInt8]?> {
            var disk = DiskModel()
            disk.apply(.made("/d"), bytes: nil)
            disk.apply(.syncedFolder("/"), bytes: nil)
            for change in changes { disk.apply(change, bytes: [1, 2, 3, 4]) }
            return Set(disk.states(drawn: 64, using: &random).map { $0["/d/b"] ?? nil })
        }
        let write = FileWatch.Change.wrote("/d/t")
        let sync = FileWatch.Change.synced("/d/t")
        let move = FileWatch.Change.renamed(from: "/d/t", to: "/d/b")
        let end = FileWatch.Change.syncedFolder("/d")
        #expect(states([write, sync, move, end]) == [[1, 2, 3, 4]])
        #expect(states([write, sync, move]) == [[1, 2, 3, 4], nil])
        #expect(states([write, move, end]) == [[], [1, 2], [0, 0, 0, 0], [1, 2, 3, 4]])
    }
}
