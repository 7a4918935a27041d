import Foundation
import NIOConcurrencyHelpers
import Vocabulary

@testable import Storage

/// What a disk may hold after the power went: built from the changes of a folder in their order, as `FileWatch` and
/// `SQLiteWatch` tell of them.
///
/// Nothing is promised but what was synced. Of a file's bytes since its last sync any state may be there that was
/// written, a longer file may have zeros at its end, or half of the last write; of SQLite's files, which are written over
/// in place, each sector may be what it was after any of the writes. Of the entries of a folder since its last sync (a new
/// file, a rename, a removal) each may be there or not, whatever was done before it or after; only one thing is promised: a
/// rename does not take the old name away without giving the new one.
struct DiskModel {
    enum Node: Hashable {
        case file(Int)
        case folder
    }

    enum Entry: Hashable {
        case link(String, Node)
        case unlink(String)

        var path: String {
            switch self {
            case .link(let path, _), .unlink(let path): path
            }
        }
    }

    struct Pending: Hashable {
        let entry: Entry
        /// The link of the same rename, by its number: it is there when this is.
        let needs: Int?
        let number: Int
    }

    struct Content: Hashable {
        var durable: [UInt8] = []
        /// As it was after each write since the last sync.
        var unsynced: [[UInt8]] = []
        var inSectors = false
    }

    /// What SQLite takes for granted with `SQLITE_IOCAP_POWERSAFE_OVERWRITE`: bytes beside a write are not harmed by it, so
    /// smaller ones show nothing more.
    private static let sectorBytes = 512
    /// Where there are no more than so many states of the store's own files, all of them are looked at.
    private static let allMax = 128

    /// What is there for certain.
    private(set) var durable: [String: Node] = [:]
    private(set) var pending: [Pending] = []
    private(set) var contents: [Int: Content] = [:]
    /// What the running system sees.
    private var seen: [String: Node] = [:]
    private var number = 0

    private mutating func add(_ entry: Entry, needs: Int? = nil) -> Int {
        number += 1
        pending.append(Pending(entry: entry, needs: needs, number: number))
        switch entry {
        case .link(let path, let node): seen[path] = node
        case .unlink(let path): seen[path] = nil
        }
        return number
    }

    private mutating func file(at path: String) -> Int {
        if case .file(let id) = seen[path] { return id }
        let id = contents.count
        contents[id] = Content()
        _ = add(.link(path, .file(id)))
        return id
    }

    /// - Parameters:
    ///   - bytes: of the file that was written, as they are now.
    ///   - inSectors: the file is written over in place.
    mutating func apply(_ change: FileWatch.Change, bytes: [UInt8]?, inSectors: Bool = false) {
        switch change {
        case .wrote(let path):
            let id = file(at: path)
            contents[id]?.unsynced.append(bytes ?? [])
            contents[id]?.inSectors = inSectors
        case .synced(let path):
            let id = file(at: path)
            if let last = contents[id]?.unsynced.last { contents[id] = Content(durable: last) }
        case .made(let path): _ = add(.link(path, .folder))
        case .renamed(let from, let to):
            guard let node = seen[from] else { return }
            let link = add(.link(to, node))
            _ = add(.unlink(from), needs: link)
        case .removed(let path): if seen[path] != nil { _ = add(.unlink(path)) }
        case .syncedFolder(let folder):
            for change in pending where Files.parent(of: change.entry.path) == folder { commit(change.entry) }
            pending.removeAll { Files.parent(of: $0.entry.path) == folder }
        }
    }

    private mutating func commit(_ entry: Entry) { Self.apply(entry, to: &durable) }

    private static func apply(_ entry: Entry, to entries: inout [String: Node]) {
        switch entry {
        case .link(let path, let node): entries[path] = node
        case .unlink(let path): entries[path] = nil
        }
    }

    /// One state that the disk may be in: files by path; nil for a folder.
    typealias State = [String: [UInt8]?]

    /// All states, where that is not too many; else the two extremes, nothing and all of what was not synced, and some more.
    ///
    /// - Parameter drawn: so many more.
    func states(drawn: Int, using random: inout SeededGenerator) -> Set<State> {
        if let all = all() { return all }
        var states: Set<State> = [
            state(taking: [], files: contents.mapValues(\.durable)),
            state(taking: Set(pending.map(\.number)), files: contents.mapValues { $0.unsynced.last ?? $0.durable }),
        ]
        for _ in 0..<drawn {
            let taken = Set(pending.map(\.number).filter { _ in Bool.random(using: &random) })
            var files: [Int: [UInt8]] = [:]
            for (id, content) in contents.sorted(by: { $0.key < $1.key }) {
                let isMixed = content.inSectors && !content.unsynced.isEmpty && Bool.random(using: &random)
                let possible = isMixed ? [Self.mixed(content, using: &random)] : Self.possible(content)
                files[id] = possible.randomElement(using: &random)
            }
            states.insert(state(taking: taken, files: files))
        }
        return states
    }

    /// Nil when there are too many, or too many to tell.
    private func all() -> Set<State>? {
        let open = contents.filter { !$0.value.unsynced.isEmpty }.sorted { $0.key < $1.key }
        guard pending.count < 8, !open.contains(where: { $0.value.inSectors }) else { return nil }
        let choices = open.map { (id: $0.key, possible: Self.possible($0.value)) }
        var count = 1 << pending.count
        for choice in choices {
            count *= choice.possible.count
            guard count <= Self.allMax else { return nil }
        }
        var states: Set<State> = []
        for number in 0..<count {
            let taken = pending.indices.filter { number >> $0 & 1 == 1 }.map { pending[$0].number }
            var files = contents.mapValues(\.durable)
            var rest = number >> pending.count
            for choice in choices {
                files[choice.id] = choice.possible[rest % choice.possible.count]
                rest /= choice.possible.count
            }
            states.insert(state(taking: Set(taken), files: files))
        }
        return states
    }

    private static func possible(_ content: Content) -> [[UInt8]] {
        var all = [content.durable] + content.unsynced
        if let last = content.unsynced.last, last.count > content.durable.count {
            all.append(content.durable + [UInt8](repeating: 0, count: last.count - content.durable.count))
            all.append(Array(last.prefix((content.durable.count + last.count) / 2)))
        }
        return all
    }

    /// Each sector as it was after some write since the last sync, and the length after any other. Zeros are in what was not
    /// there before only: a file that is shortened loses its end at once.
    private static func mixed(_ content: Content, using random: inout SeededGenerator) -> [UInt8] {
        let all = [content.durable] + content.unsynced
        var bytes = [UInt8](repeating: 0, count: all.randomElement(using: &random)?.count ?? 0)
        for start in stride(from: 0, to: bytes.count, by: sectorBytes) {
            let isNew = zip(all, all.dropFirst()).contains { $0.count <= start && $1.count > start }
            let possible = isNew ? all : all.filter { $0.count > start }
            guard let chosen = possible.randomElement(using: &random), start < chosen.count else { continue }
            let end = min(start + sectorBytes, bytes.count, chosen.count)
            bytes.replaceSubrange(start..<end, with: chosen[start..<end])
        }
        return bytes
    }

    /// - Parameter taking: the numbers of what is there of what was not synced; not without the link that it needs.
    private func state(taking: Set<Int>, files: [Int: [UInt8]]) -> State {
        let waiting = Set(pending.map(\.number))
        var entries = durable
        for change in pending where taking.contains(change.number) {
            if let link = change.needs, waiting.contains(link), !taking.contains(link) { continue }
            Self.apply(change.entry, to: &entries)
        }
        var state: State = [:]
        for (path, node) in entries {
            switch node {
            case .file(let id): state[path] = .some(files[id] ?? [])
            case .folder: state[path] = .some(nil)
            }
        }
        return state
    }
}

/// Hears the changes of one scratch folder, the store's and SQLite's, and keeps, after each, what the disk may hold.
final class PowerRecorder: Sendable {
    struct Moment: Sendable {
        let label: String
        let disk: DiskModel
        /// What had been acknowledged by then, and what was under way.
        let promised: Promises
    }

    private struct State {
        var disk = DiskModel()
        var moments: [Moment] = []
        var promised = Promises()

        mutating func add(_ label: String) {
            moments.append(Moment(label: label, disk: disk, promised: promised))
        }
    }

    private let state = NIOLockedValueBox(State())
    private let ids: (store: UInt64, sqlite: UInt64)

    /// - Parameter without: changes that the disk is not told of.
    init(_ scratch: Scratch, without: @escaping @Sendable (FileWatch.Change) -> Bool = { _ in false }) {
        let (state, folder) = (state, scratch.path)
        @Sendable func hear(_ change: FileWatch.Change, ofSQLite: Bool) {
            let path =
                switch change {
                case .wrote(let path), .synced(let path), .made(let path), .syncedFolder(let path),
                    .renamed(let path, _), .removed(let path):
                    path
                }
            guard path == folder || path.hasPrefix(folder + "/"), !path.hasSuffix("/lock"), !without(change)
            else { return }
            var bytes: [UInt8]?
            if case .wrote = change { bytes = (try? Data(contentsOf: URL(fileURLWithPath: path))).map { Array($0) } }
            state.withLockedValue { state in
                guard ofSQLite else {
                    state.disk.apply(change, bytes: bytes)
                    return state.add("\(change)")
                }
                // Whatever may be there after one of its writes may be there before the next sync as well.
                if case .wrote = change {} else { state.add("before \(change)") }
                state.disk.apply(change, bytes: bytes, inSectors: true)
                if case .wrote = change {} else { state.add("\(change)") }
            }
        }
        ids = (
            FileWatch.listen { hear($0, ofSQLite: false) }, SQLiteWatch.listen { hear($0, ofSQLite: true) }
        )
    }

    deinit {
        FileWatch.end(ids.store)
        SQLiteWatch.end(ids.sqlite)
    }

    /// The last of them is now.
    var moments: [Moment] {
        state.withLockedValue { state in
            state.moments + [Moment(label: "the end", disk: state.disk, promised: state.promised)]
        }
    }

    /// Carries out a step that promises something; the moment after it is one, too.
    func step(_ label: String, _ change: @Sendable (inout Promises) -> Void, _ body: () async throws -> Void)
        async throws
    {
        state.withLockedValue { state in
            state.promised.underWay = state.promised.now
            change(&state.promised)
        }
        try await body()
        state.withLockedValue { state in
            state.promised.underWay = nil
            state.add(label)
        }
    }
}

/// What a store has promised of each name.
struct Promises: Sendable {
    enum Promise: Hashable, Sendable {
        case bytes([UInt8])
        /// Deleted: there is a tombstone, and no bytes are given.
        case deleted
        /// Nothing is held of it.
        case nothing
    }

    var now: [String: Promise] = [:]
    /// Before the step that is under way, which may have come about or not; nil between steps.
    var underWay: [String: Promise]?

    /// Everything that may be there of a name.
    func allowed(_ name: String) -> Set<Promise> {
        var all: Set<Promise> = [now[name] ?? .nothing]
        if let before = underWay { all.insert(before[name] ?? .nothing) }
        return all
    }

    var names: [String] { Set(now.keys).union(underWay.map { Array($0.keys) } ?? []).sorted() }
}
