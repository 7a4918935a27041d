import Vocabulary

/// The bounds on what interrupted pulls may leave behind, and the sweep of `incoming` that keeps them.
public struct PartialLimits: Sendable {
    /// After a day the version has been pulled from another holder, or replaced.
    public var secondsMax: Int64 = 86_400
    public var countMax = 64
    /// The newest one is kept whatever its size: a pull of 40 GiB that breaks off must not begin anew.
    public var bytesMax: UInt64 = 16 * 1_024 * 1_024 * 1_024

    public init() {}
}

enum Partials {
    /// Removes what an earlier run left in `incoming`: temporaries, retired blobs, and the partial files beyond the
    /// limits, oldest first. Blocks.
    static func sweepAtStart(
        _ folder: DataFolder, limits: PartialLimits, nowSeconds: Int64
    ) throws(StorageError) {
        for name in try Files.names(in: folder.incoming) where name.hasSuffix(".tmp") || name.hasSuffix(".gone") {
            try Files.remove("\(folder.incoming)/\(name)")
        }
        try trim(folder, limits: limits, nowSeconds: nowSeconds, inUse: [])
    }

    /// Keeps the newest idle partial files within the limits. Blocks.
    static func trim(
        _ folder: DataFolder, limits: PartialLimits, nowSeconds: Int64, inUse: Set<ContentDigest>
    ) throws(StorageError) {
        var idle: [(path: String, facts: Files.Facts)] = []
        for name in try Files.names(in: folder.incoming) where name.hasSuffix(".partial") {
            if let digest = ContentDigest(hex: String(name.dropLast(".partial".count))), inUse.contains(digest) {
                continue
            }
            let path = "\(folder.incoming)/\(name)"
            if let facts = try Files.facts(path) { idle.append((path, facts)) }
        }
        idle.sort { ($0.facts.modified, $0.path) > ($1.facts.modified, $1.path) }
        var bytes: UInt64 = 0
        for (index, partial) in idle.enumerated() {
            bytes &+= partial.facts.size
            let age = nowSeconds - partial.facts.modified
            if index >= limits.countMax || (index > 0 && bytes > limits.bytesMax) || age > limits.secondsMax {
                try Files.remove(partial.path)
            }
        }
    }
}
