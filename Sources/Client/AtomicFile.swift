import NIOConcurrencyHelpers
import NIOCore
import TLS

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A file that appears under its name whole and durable, or not at all: a temporary one in the same folder, fsync,
/// rename, fsync of the folder. Nothing is left behind when it is dropped before `commit`.
///
/// A target that is no regular file (`/dev/null`, a pipe) is written to directly: there is nothing to replace.
public final class AtomicFile: Sendable {
    private enum State {
        case temporary(descriptor: Int32, path: String)
        case direct(descriptor: Int32)
        case done
    }

    public let path: String
    private let state: NIOLockedValueBox<State>

    /// - Throws: `ClientError.file`.
    public init(path: String) throws {
        self.path = path
        var status = stat()
        let exists = stat(path, &status) == 0
        if exists, status.st_mode & S_IFMT == S_IFDIR {
            throw ClientError.file(path: path, doing: "writing", cause: "it is a folder", remedy: "name a file in it")
        }
        if exists, status.st_mode & S_IFMT != S_IFREG {
            let descriptor = open(path, O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw Self.failure(path, "opening") }
            state = NIOLockedValueBox(.direct(descriptor: descriptor))
            return
        }
        let random = try SecureRandom.bytes(6).map { String($0, radix: 16) }.joined()
        // Short, whatever the length of the name: file names end at 255 bytes.
        let temporary = Self.folder(of: path) + "/.roost-get-\(getpid())-\(random)"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw Self.failure(path, "writing") }
        // A file that is replaced keeps its mode; should that fail, the new one's own mode is as good.
        if exists { _ = fchmod(descriptor, status.st_mode & 0o7777) }
        state = NIOLockedValueBox(.temporary(descriptor: descriptor, path: temporary))
    }

    deinit { abort() }

    /// Appends. Blocks for as long as the disk takes.
    public func write(_ buffer: ByteBuffer) throws {
        try state.withLockedValue { state in
            switch state {
            case .temporary(let descriptor, _), .direct(let descriptor):
                try Self.write(buffer, to: descriptor, path: path)
            case .done: throw Self.failure(path, "writing", code: EBADF)
            }
        }
    }

    /// Makes it durable and visible.
    public func commit() throws {
        try state.withLockedValue { state in
            switch state {
            case .direct(let descriptor):
                state = .done
                close(descriptor)
            case .temporary(let descriptor, let temporary):
                state = .done
                // fsync before the name: a crash leaves the old file or the whole new one, never a part.
                let code = fsync(descriptor) == 0 ? 0 : SystemErrors.current
                let closed = close(descriptor) == 0 ? 0 : SystemErrors.current
                let renamed = code == 0 && closed == 0 && rename(temporary, path) == 0
                guard renamed else {
                    let cause = code != 0 ? code : closed != 0 ? closed : SystemErrors.current
                    unlink(temporary)
                    throw Self.failure(path, "writing", code: cause)
                }
                let folder = open(Self.folder(of: path), O_RDONLY | O_CLOEXEC)
                if folder >= 0 {
                    // Some file systems refuse fsync of a folder; the file itself is safe by then.
                    _ = fsync(folder)
                    close(folder)
                }
            case .done: throw Self.failure(path, "writing", code: EBADF)
            }
        }
    }

    /// Leaves no trace. Harmless after `commit`.
    public func abort() {
        state.withLockedValue { state in
            switch state {
            case .temporary(let descriptor, let temporary):
                close(descriptor)
                unlink(temporary)
            case .direct(let descriptor): close(descriptor)
            case .done: break
            }
            state = .done
        }
    }

    /// Writes all of the buffer to a descriptor, standard output for one.
    public static func write(_ buffer: ByteBuffer, to descriptor: Int32, path: String) throws {
        try buffer.withUnsafeReadableBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                let part = UnsafeRawBufferPointer(rebasing: bytes[offset...])
                #if canImport(Darwin)
                    let count = Darwin.write(descriptor, part.baseAddress, part.count)
                #elseif canImport(Musl)
                    let count = Musl.write(descriptor, part.baseAddress, part.count)
                #else
                    let count = Glibc.write(descriptor, part.baseAddress, part.count)
                #endif
                if count >= 0 {
                    offset += count
                    continue
                }
                switch SystemErrors.current {
                case EINTR: continue
                case EPIPE: throw ClientError.outputClosed
                case EAGAIN:
                    // Somebody else made this descriptor non-blocking (a shared terminal): wait until it takes more.
                    var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = poll(&waiting, 1, 1000)
                default: throw failure(path, "writing")
                }
            }
        }
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func failure(_ path: String, _ doing: String, code: Int32 = SystemErrors.current) -> ClientError {
        let remedy =
            switch code {
            case ENOSPC, EDQUOT: "free space on that disk or name another with -o"
            case EACCES, EPERM, EROFS: "name a folder that this user may write to"
            case ENOENT, ENOTDIR: "create its folder first"
            default: "check the disk and try again"
            }
        return .file(path: path, doing: doing, cause: SystemErrors.text(code), remedy: remedy)
    }
}
