import Foundation
import NIOCore
import Resources
import TLS
import Testing
import Vocabulary

@testable import Storage

/// A temporary folder that goes with its last reference.
final class Scratch: Sendable {
    let path: String
    let isMount: Bool

    /// - Parameter tmpfsMebibytes: mounts a small file system there; needs root.
    init(tmpfsMebibytes: Int? = nil) throws {
        path = NSTemporaryDirectory() + "roost-storage-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        isMount = tmpfsMebibytes != nil
        if let size = tmpfsMebibytes {
            try run("/bin/mount", ["-t", "tmpfs", "-o", "size=\(size)m", "tmpfs", path])
        }
    }

    deinit {
        if isMount { try? run("/bin/umount", ["-l", path]) }
        try? FileManager.default.removeItem(atPath: path)
    }

    var data: String { path + "/data" }

    func files(in folder: String) -> [String] {
        (FileManager.default.enumerator(atPath: "\(data)/\(folder)")?.allObjects as? [String] ?? []).filter { name in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(data)/\(folder)/\(name)", isDirectory: &isFolder)
                && !isFolder.boolValue
        }.sorted()
    }
}

struct CommandFailed: Error { let command: String }

func run(_ program: String, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CommandFailed(command: "\(program) \(arguments)") }
}

let isRoot = geteuid() == 0

/// Found out by doing it: the root of a container often may not.
let canMount = isRoot && (try? Scratch(tmpfsMebibytes: 1)) != nil

func cluster(_ text: String = "crane") throws -> ClusterName { try ClusterName(text) }
func node(_ text: String = "simba") throws -> NodeName { try NodeName(text) }
func name(_ text: String) throws -> ResourceName { try ResourceName(text) }

func open(
    _ folder: String, cluster clusterText: String = "crane", node nodeText: String = "simba", wall: UInt64? = nil,
    settings: Store.Settings = Store.Settings()
) async throws -> Store {
    try await Store.open(
        folder: folder, cluster: cluster(clusterText), node: node(nodeText), wallMilliseconds: wall, settings: settings)
}

/// Opens a store in the scratch folder, and shuts it down whatever happens.
func withStore<T>(
    _ scratch: Scratch, wall: UInt64? = nil, settings: Store.Settings = Store.Settings(),
    _ body: (Store) async throws -> T
) async throws -> T {
    let store = try await open(scratch.data, wall: wall, settings: settings)
    do {
        let result = try await body(store)
        await store.shutdown()
        return result
    } catch {
        await store.shutdown()
        throw error
    }
}

extension Store {
    func keep(_ bytes: [UInt8], expecting: ContentDigest? = nil) async throws -> BlobLease {
        let incoming = try await receive()
        try await incoming.write(ByteBuffer(bytes: bytes))
        return try await incoming.finish(expecting: expecting)
    }

    @discardableResult
    func put(
        _ text: String, _ bytes: [UInt8], home: NodeName? = nil, wall: UInt64 = 1_000,
        precondition: Precondition = .none
    ) async throws -> WriteOutcome {
        let lease = try await keep(bytes)
        return try await write(
            WriteRequest(
                name: name(text), content: .blob(digest: lease.digest, size: lease.size, mediaType: "text/plain"),
                home: home, precondition: precondition),
            wallMilliseconds: wall, holding: lease)
    }

    @discardableResult
    func delete(_ text: String, wall: UInt64 = 1_000) async throws -> WriteOutcome {
        try await write(
            WriteRequest(name: name(text), content: .tombstone, home: nil, precondition: .none),
            wallMilliseconds: wall)
    }

    func bytes(of text: String) async throws -> [UInt8]? {
        guard let digest = try await versions(of: name(text))?.live?.digest, let reader = try await blob(digest) else {
            return nil
        }
        return try await reader.all()
    }

    /// Names, deleted ones included; those whose head is live; and bytes of all versions.
    func held() async throws -> (names: Int, resources: Int, bytes: UInt64) {
        try await groups().reduce(into: (0, 0, 0)) { sum, group in
            sum.0 += group.names
            sum.1 += group.resources
            sum.2 += group.bytes
        }
    }

    /// The law of the groups table: it equals a count from the versions.
    func expectGroupsAreRight(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let (path, cluster) = (catalogue.path, cluster)
        let counted = try await catalogue.read("recount") { db in
            try CatalogueQueries(db: db, path: path).recount(in: cluster)
        }
        let kept = try await groups()
        #expect(kept.sorted { $0.key < $1.key } == counted, sourceLocation: sourceLocation)
    }
}

extension BlobReader {
    func all() async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while UInt64(bytes.count) < size {
            let part = try await read(offset: UInt64(bytes.count), count: 100_000)
            bytes += part.readableBytesView
        }
        return bytes
    }
}

func text(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Bytes that differ by seed and do not compress.
func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var random = SeededGenerator(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
    return Array(bytes.prefix(count))
}
