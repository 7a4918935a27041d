import Foundation

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The CA's own record of what it issued: `issued.log`, one JSON object a line, oldest first.
///
/// The line is durable before the certificate is, so that no certificate is ever in use that the log does not know;
/// when the certificate's files can not be written, the line is taken back under the same lock.
struct IssueLog {
    static let fileName = "issued.log"
    /// Issuing takes milliseconds; whoever holds the lock longer is stuck.
    static let waitMax = Duration.seconds(10)

    /// A line has about 250 bytes: a quarter of a million certificates.
    static let countMax = 64 << 20

    let folder: String
    let path: String

    init(folder: String) {
        self.folder = folder
        path = "\(folder)/\(Self.fileName)"
    }

    /// Appends the line, runs `body`, and takes the line back if `body` throws. One process or thread at a time.
    func record<T>(_ entry: IssuedCertificate, _ body: () throws(AuthorityError) -> T) throws(AuthorityError) -> T {
        let line = try Self.line(entry)
        let file = open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .cannotWrite(path: path, reason: .init(errno: errno)) }
        defer { close(file) }  // and with it the lock
        try lock(file)
        var info = stat()
        guard fstat(file, &info) == 0 else { throw .cannotWrite(path: path, reason: .init(errno: errno)) }
        do throws(AuthorityError) {
            // A line that a power cut tore stays alone: the next begins on a line of its own.
            let line = Self.endsTorn(file, size: info.st_size) ? [UInt8(ascii: "\n")] + line : line
            let count = line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            guard count == line.count else {
                throw .cannotWrite(path: path, reason: .init(errno: count < 0 ? errno : ENOSPC))
            }
            guard fsync(file) == 0 else { throw .cannotWrite(path: path, reason: .init(errno: errno)) }
            // The file may be new: its name must survive a power cut as well.
            if info.st_size == 0 { try DurableFiles.sync(folder: folder) }
            return try body()
        } catch {
            // If even this fails the line stays: it names a certificate that nobody holds, which harms nobody.
            if ftruncate(file, info.st_size) == 0 { fsync(file) }
            throw error
        }
    }

    /// Everything that was issued. A torn line, from a power cut, is passed over.
    func entries() throws(AuthorityError) -> [IssuedCertificate] {
        let text: [UInt8]
        do throws(AuthorityError) {
            text = try DurableFiles.read(path, countMax: Self.countMax).bytes
        } catch .cannotRead(_, let reason) where reason.isMissing {
            return []
        }
        return text.split(separator: UInt8(ascii: "\n")).compactMap {
            try? JSONDecoder().decode(IssuedCertificate.self, from: Data($0))
        }
    }

    /// A thread may hold the lock as well as a process: `flock` belongs to the open file, and each call opens its own.
    private func lock(_ file: Int32) throws(AuthorityError) {
        let deadline = ContinuousClock.now + Self.waitMax
        while flock(file, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else {
                throw .cannotWrite(path: path, reason: .init(errno: errno))
            }
            guard ContinuousClock.now < deadline else { throw .busy(path: path) }
            usleep(5_000)
        }
    }

    private static func endsTorn(_ file: Int32, size: off_t) -> Bool {
        var last: UInt8 = 0
        return size > 0 && pread(file, &last, 1, size - 1) == 1 && last != UInt8(ascii: "\n")
    }

    private static func line(_ entry: IssuedCertificate) throws(AuthorityError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return try [UInt8](encoder.encode(entry)) + [UInt8(ascii: "\n")]
        } catch {
            throw .cannotWrite(path: fileName, reason: .init(errno: EINVAL))
        }
    }
}
