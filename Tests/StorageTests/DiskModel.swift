import Foundation
import NIOConcurrencyHelpers
import Vocabulary

@testable import Storage

/// What a disk may hold after the power went: built from the changes of a folder in their order, as `FileWatch` tells of
/// them.
///
/// Nothing is promised but what was synced. Of a file's bytes since its last sync any state may be there that was
/// written, a longer file may have zeros at its end, or half of the last write. Of the entries of a folder since its last
/// sync (a new file, a rename, a removal) each may be there or not, whatever was done before it or after; only one thing
/// is promised: a rename does not take the old name away without giving the new one.
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
    }

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

    /// - Parameter bytes: of the file that was written, as they are now.
    mutating func apply(_ change: FileWatch.Change, bytes: [UInt8]?) {
        switch change {
        case .wrote(let path): contents[file(at: path)]?.unsynced.append(bytes ?? [])
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

    /// - Parameter most: so many are drawn; with the two extremes, nothing and all of what was not synced, among them.
    func states(most: Int, using random: inout SeededGenerator) -> Set<State> {
        var states: Set<State> = [
            state(taking: { _ in false }, content: { $0.durable }),
            state(taking: { _ in true }, content: { $0.unsynced.last ?? $0.durable }),
        ]
        let isMoving = !pending.isEmpty || contents.values.contains { !$0.unsynced.isEmpty }
        guard isMoving else { return states }
        for _ in 0..<most {
            var taken: Set<Int> = []
            for change in pending where Bool.random(using: &random) { taken.insert(change.number) }
            for change in pending {
                if let link = change.needs, !taken.contains(link), pending.contains(where: { $0.number == link }) {
                    taken.remove(change.number)
                }
            }
            var choices: [Int: [UInt8]] = [:]
            for (id, content) in contents.sorted(by: { $0.key < $1.key }) {
                choices[id] = Self.possible(content).randomElement(using: &random) ?? content.durable
            }
            let numbers = taken
            let drawn = choices
            states.insert(
                state(
                    taking: { numbers.contains($0.number) },
                    files: { drawn[$0] ?? [] }))
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

    private func state(taking: (Pending) -> Bool, content: (Content) -> [UInt8]) -> State {
        state(taking: taking, files: { contents[$0].map(content) ?? [] })
    }

    private func state(taking: (Pending) -> Bool, files: (Int) -> [UInt8]) -> State {
        var entries = durable
        for change in pending where taking(change) { Self.apply(change.entry, to: &entries) }
        var state: State = [:]
        for (path, node) in entries {
            switch node {
            case .file(let id): state[path] = .some(files(id))
            case .folder: state[path] = .some(nil)
            }
        }
        return state
    }
}

/// Hears the changes of one scratch folder and keeps, after each, what the disk may hold, and SQLite's files as they are.
///
/// SQLite is taken at its word: what it has committed it has synced (`PRAGMA synchronous = FULL`, its own tests cut the
/// power, too), so its files as they are after a change are a state that it recovers from to its last commit. The changes
/// here are told of outside of its transactions.
final class PowerRecorder: Sendable {
    struct Moment: Sendable {
        let label: String
        let disk: DiskModel
        /// The catalogue's files by path: shared between moments while they are alike.
        let catalogue: [String: Data]
        /// What had been acknowledged by then, and what was under way.
        let promised: Promises
    }

    private struct State {
        var disk = DiskModel()
        var moments: [Moment] = []
        var promised = Promises()
    }

    private let state = NIOLockedValueBox(State())
    private let folder: String
    private let id: UInt64

    /// - Parameter without: changes that the disk is not told of.
    init(_ scratch: Scratch, without: @escaping @Sendable (FileWatch.Change) -> Bool = { _ in false }) {
        let (state, folder) = (state, scratch.path)
        self.folder = folder
        id = FileWatch.listen { change in
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
            let catalogue = Self.catalogue(folder)
            state.withLockedValue { state in
                state.disk.apply(change, bytes: bytes)
                state.moments.append(
                    Moment(label: "\(change)", disk: state.disk, catalogue: catalogue, promised: state.promised))
            }
        }
    }

    deinit { FileWatch.end(id) }

    var moments: [Moment] { state.withLockedValue { $0.moments } }

    /// Carries out a step that promises something; the moment after it is one, too.
    func step(_ label: String, _ change: @Sendable (inout Promises) -> Void, _ body: () async throws -> Void)
        async throws
    {
        state.withLockedValue { state in
            state.promised.underWay = state.promised.now
            change(&state.promised)
        }
        try await body()
        let catalogue = Self.catalogue(folder)
        state.withLockedValue { state in
            state.promised.underWay = nil
            state.moments.append(
                Moment(label: label, disk: state.disk, catalogue: catalogue, promised: state.promised))
        }
    }

    private static func catalogue(_ folder: String) -> [String: Data] {
        var files: [String: Data] = [:]
        for suffix in ["", "-wal"] {
            let path = "\(folder)/data/catalogue.sqlite\(suffix)"
            files[path] = try? Data(contentsOf: URL(fileURLWithPath: path))
        }
        return files
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
