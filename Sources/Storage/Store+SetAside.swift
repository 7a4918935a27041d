import GRDB
import Resources
import Vocabulary

/// A blob that versions name.
public struct StoredBlob: Hashable, Sendable {
    public let digest: ContentDigest
    /// Bytes, as the versions say.
    public let size: UInt64

    public init(digest: ContentDigest, size: UInt64) {
        self.digest = digest
        self.size = size
    }
}

/// Who needs a blob.
public struct BlobUse: Hashable, Sendable {
    /// Bytes.
    public let size: UInt64
    public internal(set) var names: [ResourceName] = []
    public internal(set) var groups: Set<GroupKey> = []

    init(size: UInt64) { self.size = size }
}

/// The bounds on what is kept of files that were set aside, once their bytes are here again. Until then they stay,
/// however large: they may be the nearest to the bytes that there is, and take no more space than before.
enum SetAsideLimits {
    static let countMax = 16
    static let bytesMax: UInt64 = 256 * 1_024 * 1_024
    /// Names of one blob that are looked at.
    static let useMax = 1_024
    /// Blobs that are missing here and are told of at a start; others are found by the next pass.
    static let lackingMax = 65_536
}

extension Store {
    /// Takes the file of a blob out of the way that was found wrong: from now on this node lacks the bytes, and knows it.
    /// Durable when it returns. The bytes are here again when the next stream of them finishes, whose they are.
    ///
    /// - Parameter reader: the file that was found wrong; nil when there was none, or none that could be opened.
    /// - Returns: who needs the bytes; nil, with nothing changed, when no version does, or when another file has taken
    ///   that one's place meanwhile.
    public func setAside(
        _ digest: ContentDigest, _ fault: BlobFault, _ reader: BlobReader?
    ) async throws(StorageError) -> BlobUse? {
        let (blobs, path, data) = (blobs, catalogue.path, data)
        let found: FileIdentity?
        switch (fault, reader) {
        case (.missing, _): found = nil
        case (.size, let reader?), (.unreadable, let reader?), (.flipped, let reader?):
            found = try await reader.onDisk { file throws(StorageError) in try file.identity() }
        case (.size, nil), (.unreadable, nil), (.flipped, nil):
            found = try await threads.run { () throws(StorageError) in try Files.identity(data.blob(digest)) }
        }
        let use: BlobUse? = try await catalogue.onWriter("set \(digest) aside") { db in
            guard
                let use = try CatalogueQueries(db: db, path: path).use(of: digest, limit: SetAsideLimits.useMax),
                try blobs.setAside(digest, found)
            else { return nil }
            return use
        }
        guard let use else { return nil }
        try await threads.run { () throws(StorageError) in
            guard found != nil else {
                // An empty one tells the next start. On a disk that refuses it the next pass of the scrub finds it out again.
                try? Files.makeEmpty(data.rotten(digest))
                try? Files.syncFolder(data.rotten)
                return
            }
            // There before it is gone here, in whatever order a power cut has it: it is the same rename.
            try Files.syncFolder(data.rotten)
            try Files.syncFolder(data.shelf(digest))
        }
        return use
    }

    /// Who needs the bytes: at most 1,024 names, and all groups; nil when no version names them.
    public func use(of digest: ContentDigest) async throws(StorageError) -> BlobUse? {
        let path = catalogue.path
        return try await catalogue.read("look for \(digest)") { db in
            try CatalogueQueries(db: db, path: path).use(of: digest, limit: SetAsideLimits.useMax)
        }
    }

    /// The blobs that were set aside, are named by versions still, and are not here again, with all groups of those and some of
    /// their names.
    public func lacking() async throws(StorageError) -> [StoredBlob: BlobUse] {
        let (data, blobs, path) = (data, blobs, catalogue.path)
        let gone = try await threads.run { () throws(StorageError) in
            var gone: [ContentDigest] = []
            for digest in try Self.setAside(in: data) where try !blobs.has(digest, size: nil) { gone.append(digest) }
            return gone
        }
        return try await catalogue.read("look for blobs that are lacking") { db in
            let queries = CatalogueQueries(db: db, path: path)
            var lacking: [StoredBlob: BlobUse] = [:]
            for digest in gone.prefix(SetAsideLimits.lackingMax) {
                guard let use = try queries.use(of: digest, limit: 1) else { continue }
                lacking[StoredBlob(digest: digest, size: use.size)] = use
            }
            return lacking
        }
    }

    /// Removes the oldest of the files set aside whose bytes are here again, or needed by nobody, beyond the bounds.
    public func trimSetAside() async throws(StorageError) {
        let (data, blobs) = (data, blobs)
        // What is set aside from here on is none of this.
        let aside = try await threads.run { () throws(StorageError) in try Self.setAside(in: data) }
        let lacking = Set(try await lacking().keys.map(\.digest))
        let areAllKnown = aside.count <= SetAsideLimits.lackingMax
        try await threads.run { () throws(StorageError) in
            var kept: [(path: String, facts: Files.Facts)] = []
            for digest in aside where !lacking.contains(digest) {
                if !areAllKnown, try !blobs.has(digest, size: nil) { continue }
                let path = data.rotten(digest)
                guard let facts = try Files.facts(path) else { continue }
                // It said that there was none.
                if facts.size == 0 {
                    try Files.removeAny(path)
                } else {
                    kept.append((path, facts))
                }
            }
            kept.sort { ($0.facts.modified, $0.path) > ($1.facts.modified, $1.path) }
            var bytes: UInt64 = 0
            for (index, file) in kept.enumerated() {
                bytes &+= file.facts.size
                guard index >= SetAsideLimits.countMax || bytes > SetAsideLimits.bytesMax else { continue }
                try Files.removeAny(file.path)
            }
        }
    }

    private static func setAside(in data: DataFolder) throws(StorageError) -> [ContentDigest] {
        try Files.names(in: data.rotten).compactMap { ContentDigest(hex: $0) }
    }
}
