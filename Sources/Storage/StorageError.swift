import Resources
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What can go wrong with what a node keeps on disk. Each case's description says what was being done, to what, why it
/// failed, and what to do; none leaves anything half-written visible.
public enum StorageError: Error, Hashable, Sendable {
    /// Another agent holds the folder's lock.
    case inUse(folder: String, pid: Int32?)
    /// The folder, or a file in it, belongs to another user.
    case notOurs(path: String, owner: UInt32, user: UInt32)
    /// Another node, or a node of another cluster, wrote this folder.
    case belongsTo(folder: String, node: NodeName, cluster: ClusterName)
    /// A later version of Roost wrote this folder.
    case newerSchema(folder: String, found: Int, known: Int)
    /// No space, or less than is held back for the catalogue.
    case full(folder: String, freeBytes: UInt64)
    /// The catalogue, or a file it depends on, does not hold what it must.
    case damaged(path: String, detail: String)
    case io(operation: String, path: String, errno: Int32)
    /// SQLite refused for a reason other than damage or space.
    case database(operation: String, path: String, code: Int32, message: String)
    /// The write's own conditions do not hold; nothing was changed.
    case refused(WriteRequest.Refusal)
    /// A version names bytes that are not durable here; pull them first.
    case missingBlob(ContentDigest)
    /// The bytes on disk are not those that they are named for.
    case rotten(ContentDigest)
    case digestMismatch(expected: ContentDigest, actual: ContentDigest)
    case sizeMismatch(expected: UInt64, actual: UInt64)
    /// Another stream is already bringing these bytes.
    case alreadyReceiving(ContentDigest)
    case tooManyStreams(count: Int)
    /// The caller's other uploads have been promised what one caller's may be.
    case shareTaken(promisedBytes: UInt64, shareBytes: UInt64)
    case valueTooLarge(key: String, bytes: Int, bytesMax: Int)
    /// The stream was finished, aborted, suspended, or has failed before.
    case streamClosed
    case cancelled
    case closed(folder: String)

    /// Whether the disk, or what is on it, is why something failed: it would fail so again until somebody sees to that.
    public static func isOfDisk(_ error: any Error) -> Bool {
        switch error as? StorageError {
        case .full, .io, .database, .damaged: true
        case .inUse, .notOurs, .belongsTo, .newerSchema, .refused, .missingBlob, .rotten, .digestMismatch,
            .sizeMismatch, .alreadyReceiving, .tooManyStreams, .shareTaken, .valueTooLarge, .streamClosed, .cancelled,
            .closed, nil:
            false
        }
    }

    /// Whether the bytes that came are why something failed: those of another sender may be right.
    public var isOfBytesThatCame: Bool {
        switch self {
        case .digestMismatch, .sizeMismatch: true
        case .inUse, .notOurs, .belongsTo, .newerSchema, .full, .damaged, .io, .database, .refused, .missingBlob,
            .rotten, .alreadyReceiving, .tooManyStreams, .shareTaken, .valueTooLarge, .streamClosed, .cancelled,
            .closed:
            false
        }
    }

    /// The error of a failed system call; no space left is told apart, as callers answer it differently.
    static func posix(_ operation: String, _ path: String, _ code: Int32) -> StorageError {
        switch code {
        case ENOSPC, EDQUOT:
            let folder = Files.parent(of: path)
            return .full(folder: folder, freeBytes: Files.space(at: folder)?.free ?? 0)
        default: return .io(operation: operation, path: path, errno: code)
        }
    }
}

extension StorageError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .inUse(let folder, let pid):
            "the data folder \(folder) is in use by another agent\(pid.map { " (process \($0))" } ?? ""): "
                + "stop that one, or give this one another data_dir"
        case .notOurs(let path, let owner, let user):
            "\(path) belongs to user \(Self.user(owner)), but the agent runs as \(Self.user(user)): "
                + "run it as \(Self.user(owner)), or chown -R the data folder to \(Self.user(user))"
        case .belongsTo(let folder, let node, let cluster):
            "the data folder \(folder) was written by node \(node) of cluster \(cluster): "
                + "use that node's certificate, or give this node an empty data_dir"
        case .newerSchema(let folder, let found, let known):
            "the data folder \(folder) was written by a newer Roost (schema \(found), this one knows \(known)): "
                + "install that version again"
        case .full(let folder, let free):
            "no space left for \(folder) (\(free) bytes free): nothing was stored; free some space or add a node"
        case .damaged(let path, let detail):
            "\(path) is damaged (\(detail)): stop the agent, move the data folder aside and start with an empty one; "
                + "the cluster restores what this node held. If this node has the only copies, repair a copy of the "
                + "catalogue with sqlite3 .recover first"
        case .io(let operation, let path, let code):
            "could not \(operation) \(path): \(String(cString: strerror(code))): "
                + "check the disk, its mount and the permissions"
        case .database(let operation, let path, let code, let message):
            "could not \(operation) in \(path): SQLite says \(message) (\(code)): try again, and check the disk"
        case .refused(.preconditionFailed(let head)):
            "the precondition does not hold: the name's version is \(head.map(\.description) ?? "none"): "
                + "read it again and retry"
        case .refused(.outranked(let rival)):
            "another node took a write of the name at the same time, which goes first (\(rival)): read it again and retry"
        case .refused(.overtaken):
            "others write the name again and again while this write of it is judged: try again"
        case .refused(.overdue): "the write took too long for who waits for it: try again"
        case .refused(.builtUpon):
            "the write may have been made by a node that fell silent, and others have written the name since: look at its "
                + "history before you write it again"
        case .refused(.notFound): "there is no such resource to delete: check the name with find"
        case .missingBlob(let digest):
            "the bytes \(digest) are not on this node: pull them before the version that names them"
        case .rotten(let digest):
            "the bytes on disk are not those of \(digest): they are set aside and fetched from another holder; check the disk"
        case .digestMismatch(let expected, let actual):
            "the bytes received have SHA-256 \(actual), but \(expected) was announced: nothing was kept; send again"
        case .sizeMismatch(let expected, let actual):
            "\(actual) bytes were received, but \(expected) were announced: nothing was kept; send again"
        case .alreadyReceiving(let digest): "the bytes \(digest) are already being received: wait for that stream"
        case .tooManyStreams(let count): "\(count) streams are being received already: try again shortly"
        case .shareTaken(let promised, let share):
            "your uploads under way still bring \(promised) bytes, and may bring \(share) together: "
                + "let one of them end, then try again"
        case .valueTooLarge(let key, let bytes, let max):
            "the value for \(key) has \(bytes) bytes, more than the \(max) allowed: nothing was saved"
        case .streamClosed: "the stream of incoming bytes has ended already: open a new one"
        case .cancelled: "the request was cancelled: nothing was changed; ask again if it is still wanted"
        case .closed(let folder): "the data folder \(folder) was closed: the agent is stopping"
        }
    }

    private static func user(_ id: UInt32) -> String {
        guard let entry = getpwuid(id), let name = entry.pointee.pw_name else { return "\(id)" }
        return "\(String(cString: name)) (\(id))"
    }
}
