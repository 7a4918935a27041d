import NIOConcurrencyHelpers
import NIOCore
import TLS
import Vocabulary

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The bytes of a put as they are read: from a file, from standard input or from memory. Read once (`again` gives another
/// one); hashed on the way, so that what the cluster says it kept can be compared with what was read.
public final class Upload: AsyncSequence, Sendable {
    public typealias Element = ByteBuffer
    public typealias Failure = any Error

    /// Sixteen TLS records a read: enough that neither the disk nor the hop to the event loop shows.
    static let chunkBytes = 256 * 1024

    private enum Source: Sendable {
        case memory(ByteBuffer)
        case descriptor(Int32, path: String, closes: Bool)
    }

    private struct State {
        var hasher: SHA256Hasher
        var read: UInt64 = 0
        var digest: ContentDigest?
        /// Read before it was asked for.
        var ahead: ByteBuffer?
    }

    /// `nil` when the end is not known yet: a pipe.
    public let length: UInt64?
    private let source: Source
    /// Where a file's bytes begin; `nil` of what can be read but once.
    private let start: off_t?
    private let state: NIOLockedValueBox<State>
    private let progress: (@Sendable (UInt64) -> Void)?

    private init(
        source: Source, length: UInt64?, start: off_t? = nil, progress: (@Sendable (UInt64) -> Void)?
    ) throws {
        self.source = source
        self.start = start
        self.length = length
        self.progress = progress
        state = NIOLockedValueBox(State(hasher: try SHA256Hasher()))
    }

    deinit {
        if case .descriptor(let descriptor, _, let closes) = source, closes { close(descriptor) }
    }

    public convenience init(bytes: [UInt8]) throws {
        try self.init(source: .memory(ByteBuffer(bytes: bytes)), length: UInt64(bytes.count), progress: nil)
    }

    /// - Parameter progress: told how many bytes have been read so far.
    /// - Throws: `ClientError.file` when it can not be read or is a folder.
    public static func file(_ path: String, progress: (@Sendable (UInt64) -> Void)? = nil) throws -> Upload {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ClientError.file(
                path: path, doing: "opening", cause: SystemErrors.text(SystemErrors.current),
                remedy: "name a file that this user may read, or - for standard input")
        }
        return try from(descriptor: descriptor, path: path, closes: true, progress: progress)
    }

    public static func standardInput(progress: (@Sendable (UInt64) -> Void)? = nil) throws -> Upload {
        try from(descriptor: STDIN_FILENO, path: "standard input", closes: false, progress: progress)
    }

    private static func from(
        descriptor: Int32, path: String, closes: Bool, progress: (@Sendable (UInt64) -> Void)?
    ) throws -> Upload {
        var status = stat()
        var isOurs = false
        defer { if closes && !isOurs { close(descriptor) } }
        guard fstat(descriptor, &status) == 0 else {
            throw ClientError.file(
                path: path, doing: "looking at", cause: SystemErrors.text(SystemErrors.current), remedy: "try again")
        }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            throw ClientError.file(
                path: path, doing: "reading", cause: "it is a folder", remedy: "put its files one by one")
        }
        var length: UInt64?
        var start: off_t?
        if status.st_mode & S_IFMT == S_IFREG {
            // Standard input may be a file that was read in part already: `tail -c +5 <f` style redirections.
            let position = Swift.max(0, lseek(descriptor, 0, SEEK_CUR))
            length = UInt64(Swift.max(0, Int64(status.st_size) - Int64(position)))
            start = position
            // What the kernel makes up when it is read, as in /proc, says that it is empty.
            var byte: UInt8 = 0
            if status.st_size == 0, pread(descriptor, &byte, 1, 0) != 0 {
                length = nil
                start = nil
            }
        }
        let upload = try Upload(
            source: .descriptor(descriptor, path: path, closes: closes), length: length, start: start,
            progress: progress)
        isOurs = true
        return upload
    }

    /// The same bytes, to be read from their beginning; `nil` where that can not be: a pipe.
    func again() -> Upload? {
        switch source {
        case .memory(let bytes): return try? Upload(source: .memory(bytes), length: length, progress: progress)
        case .descriptor(let descriptor, let path, _):
            guard let start else { return nil }
            // Whoever read it last may not be done yet, and would move a position that both have.
            let own = open("/proc/self/fd/\(descriptor)", O_RDONLY | O_CLOEXEC)
            guard own >= 0 else { return nil }
            guard lseek(own, start, SEEK_SET) == start else {
                close(own)
                return nil
            }
            let again = try? Self.from(descriptor: own, path: path, closes: true, progress: progress)
            // Cut short meanwhile, it is another file.
            return again?.length == length ? again : nil
        }
    }

    /// The SHA-256 of all that was read; `nil` before the end.
    public var digest: ContentDigest? {
        state.withLockedValue { state in
            if let digest = state.digest { return digest }
            guard let length, state.read == length else { return nil }
            state.digest = state.hasher.finish()
            return state.digest
        }
    }

    /// Waits until a pipe has something to say, and keeps that for the iterator; nothing for all other sources.
    func readAhead() async throws {
        guard length == nil, case .descriptor(let descriptor, let path, _) = source,
            state.withLockedValue({ $0.ahead == nil && $0.read == 0 })
        else { return }
        let part = try await DescriptorReader.read(descriptor, path: path, count: Self.chunkBytes)
        state.withLockedValue { $0.ahead = part }
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let upload: Upload
        fileprivate var isDone = false

        public mutating func next() async throws -> ByteBuffer? {
            guard !isDone else { return nil }
            try Task.checkCancellation()
            switch upload.source {
            case .memory(let bytes):
                isDone = true
                guard bytes.readableBytes > 0 else {
                    upload.took(nil)
                    return nil
                }
                upload.took(bytes)
                return bytes
            case .descriptor(let descriptor, let path, _):
                let left = upload.remaining
                guard left > 0 else {
                    isDone = true
                    return nil
                }
                let ahead = upload.state.withLockedValue { state in
                    defer { state.ahead = nil }
                    return state.ahead
                }
                let part =
                    if let ahead { ahead } else {
                        try await DescriptorReader.read(descriptor, path: path, count: left)
                    }
                isDone = part.readableBytes == 0
                upload.took(isDone ? nil : part)
                return isDone ? nil : part
            }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(upload: self) }

    /// How much the next read may take: a file that grows meanwhile is sent as long as it was.
    private var remaining: Int {
        guard let length else { return Self.chunkBytes }
        let read = state.withLockedValue { $0.read }
        return Int(Swift.min(UInt64(Self.chunkBytes), length > read ? length - read : 0))
    }

    private func took(_ part: ByteBuffer?) {
        let read = state.withLockedValue { state in
            if let part {
                state.hasher.update(part)
                state.read += UInt64(part.readableBytes)
            } else if state.digest == nil {
                state.digest = state.hasher.finish()
            }
            return state.read
        }
        progress?(read)
    }
}
