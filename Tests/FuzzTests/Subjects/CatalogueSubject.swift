import Foundation
import GRDB
import Resources
import Vocabulary

@testable import Agent
@testable import Storage

/// What the disk holds: rows of the catalogue as SQLite gives them, with any type in any column, and the values that are
/// stored as bytes. Damage is refused; what is read can be written again as the same; and versions, from wherever, merge.
struct CatalogueSubject: Subject {
    func run(_ input: [UInt8]) throws {
        var script = Script(input)
        switch script.below(6) {
        case 0: try versions(&script)
        case 1: try context(script.all())
        case 2: try scrub(script.all())
        case 3: try group(&script)
        case 4: try tags(script.all())
        default: try names(&script)
        }
    }

    private static let columns = 10

    private func versions(_ script: inout Script) throws {
        let name = try ResourceName("zebra")
        var read: [Version] = []
        while !script.isOver, read.count < 12 {
            let row = try Self.row(&script, count: Self.columns)
            guard let version = try Self.version(row, name) else { continue }
            let written = try Self.row(version.arguments(nameID: 1), casting: Array(repeating: false, count: 10))
            try demand(try Self.version(written, name) == version, "a version comes back as it was", "\(version)")
            read.append(version)
        }
        try merge(read)
    }

    private static func version(_ row: Row, _ name: ResourceName) throws -> Version? {
        do { return try Version(RowValues(row: row, path: "catalogue"), name: name, from: 1) } catch is StorageError {
            return nil
        }
    }

    private func merge(_ versions: [Version]) throws {
        guard let all = VersionSet(versions) else { return }
        try demand(all.versions.count <= VersionSet.versionCountMax, "a history has its bound")
        try demand(all.merged(with: all.versions) == all, "merging what is there changes nothing")
        try demand(all.conflicts < max(1, all.versions.count), "the head is no conflict")
        guard let first = versions.first else { return }
        let grown = VersionSet(first).merged(with: versions)
        try demand(grown.dominates(all), "who has merged a set needs nothing of it")
        var group = GroupSummary(key: all.head.group(in: try ClusterName("savanna")))
        group.add(all)
        group.remove(all)
        try demand(group.digest == .empty && group.bytes == 0 && group.isEmpty, "what is taken out is gone")
    }

    private func context(_ bytes: [UInt8]) throws {
        guard let context = try? CausalContext(stored: Data(bytes)) else { return }
        try demand(context.dots.count <= CausalContext.dotCountMax, "a context has its bound")
        try demand(context.dots.allSatisfy(context.covers), "a context covers its dots")
        try demand(try CausalContext(stored: Data(context.stored)) == context, "a context comes back as it was")
    }

    private func scrub(_ bytes: [UInt8]) throws {
        guard let record = ScrubRecord(stored: bytes) else { return }
        try demand(ScrubRecord(stored: record.stored) == record, "a record comes back as it was")
    }

    private func group(_ script: inout Script) throws {
        let row = try Self.row(&script, count: 7)
        let group: GroupSummary
        do { group = try GroupSummary(RowValues(row: row, path: "catalogue")) } catch is StorageError { return }
        let written = try Self.row(group.arguments, casting: Array(repeating: false, count: 7))
        try demand(
            try GroupSummary(RowValues(row: written, path: "catalogue")) == group, "a group comes back as it was")
    }

    private func tags(_ bytes: [UInt8]) throws {
        guard let tags = Tags(encoded: bytes) else { return }
        try demand(tags.encoded == bytes, "tags have one form")
    }

    /// A name and a pattern, parted by a zero byte.
    private func names(_ script: inout Script) throws {
        let parts = script.all().split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
        let pattern = Glob(String(decoding: parts[0], as: UTF8.self))
        guard parts.count == 2, let name = try? ResourceName(String(decoding: parts[1], as: UTF8.self)) else { return }
        if pattern.matches(name.text) {
            try demand(
                name.text.unicodeScalars.starts(with: pattern.literalPrefix.unicodeScalars),
                "what matches begins with the pattern's beginning", "\(name) for \(pattern.text)")
        }
        try demand(Glob("*").matches(name.text), "* matches every name", name.text)
    }

    // MARK: Rows

    private static let database = Result { try DatabaseQueue() }

    /// Each column: its type, then its value; a text may be no UTF-8, as in a damaged file.
    private static func row(_ script: inout Script, count: Int) throws -> Row {
        var values: [DatabaseValue] = []
        var casts: [Bool] = []
        for _ in 0..<count {
            let kind = script.below(4)
            casts.append(kind == 2)
            switch kind {
            case 0: values.append(.null)
            case 1: values.append(Int64(bitPattern: script.word()).databaseValue)
            default: values.append(Data(script.bytes(Int(script.byte()))).databaseValue)
            }
        }
        return try row(StatementArguments(values), casting: casts)
    }

    private static func row(_ arguments: StatementArguments, casting: [Bool]) throws -> Row {
        let sql = "SELECT " + casting.map { $0 ? "CAST(? AS TEXT)" : "?" }.joined(separator: ", ")
        let row = try database.get().read { db in try Row.fetchOne(db, sql: sql, arguments: arguments) }
        guard let row else { throw BrokenLaw("SQLite gives what it is given", "nothing") }
        return row
    }

    func seeds() throws -> [[UInt8]] {
        var rows: [UInt8] = [0]
        for version in try Samples.versions() { rows += try Self.script(version.arguments(nameID: 1), count: 10) }
        let context = try VersionSet(Samples.versions())?.context ?? CausalContext()
        var record = ScrubRecord()
        record.pass = ScrubRecord.Pass(startedAt: 5)
        record.cursor = ContentDigest(bytes: 0..<32)
        record.last = record.pass
        let group = GroupSummary(
            key: GroupKey(slot: Slot(ofName: "zebra", in: try ClusterName("savanna")), home: try NodeName("simba")),
            digest: SetDigest(high: 1, low: 2), names: 3, resources: 2, bytes: 5)
        let tags = try Tags(["rack": "7", "kind": "ssd"])
        return [
            rows, [1] + context.stored, [2] + record.stored, [2] + ScrubRecord().stored,
            [3] + (try Self.script(group.arguments, count: 7)), [4] + tags.encoded,
            [5] + Array("herd/*/z?b[!a-q]a.txt".utf8) + [0] + Array("herd/2026/zebra.txt".utf8),
            [5] + Array("\\*[]-a]*.é".utf8) + [0] + Array("*].é".utf8),
        ]
    }

    /// The bytes that `row` makes of these values.
    private static func script(_ arguments: StatementArguments, count: Int) throws -> [UInt8] {
        let row = try row(arguments, casting: Array(repeating: false, count: count))
        return row.databaseValues.flatMap { value -> [UInt8] in
            switch value.storage {
            case .null: [0]
            case .int64(let number):
                [1] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: number >> (8 * Int64($0))) }
            case .double: [0]
            case .string(let text): [2, UInt8(clamping: text.utf8.count)] + text.utf8.prefix(255)
            case .blob(let data): [3, UInt8(clamping: data.count)] + data.prefix(255)
            }
        }
    }
}
