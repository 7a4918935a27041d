import CNIOLinux

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Tells by a look at their status whether the files of a certificate's folder were changed: by a renewal, by
/// configuration management, by hand. Polled, since what changes may also be a link, a mount or a folder above.
struct CertificateFiles: Sendable {
    let folder: String
    /// Those that were read last.
    private var taken: [Stamp?]
    /// As they were at the last look.
    private var seen: [Stamp?]

    private struct Stamp: Hashable, Sendable {
        let device: UInt64
        let inode: UInt64
        let bytes: Int64
        /// Of the last change of content or of owner and mode: seconds and nanoseconds.
        let changed: [Int]
    }

    static let names = ["ca.pem", "cert.pem", "key.pem"]

    init(folder: String) {
        self.folder = folder
        // Nothing is taken for read: what changed between a start's reading and this is found at the second look.
        taken = []
        seen = []
    }

    /// One look.
    ///
    /// - Returns: whether they are others than those read last, and have been left alone since the look before: a set
    ///   that is just being written is not read.
    mutating func look() -> Bool {
        let now = Self.names.map { Self.stamp("\(folder)/\($0)") }
        defer { seen = now }
        guard now != taken, now == seen else { return false }
        taken = now
        return true
    }

    private static func stamp(_ path: String) -> Stamp? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        #if canImport(Glibc)
            let times = [status.st_mtim, status.st_ctim]
        #else
            let times = [status.st_mtimespec, status.st_ctimespec]
        #endif
        return Stamp(
            device: UInt64(truncatingIfNeeded: status.st_dev), inode: UInt64(status.st_ino),
            bytes: Int64(status.st_size), changed: times.flatMap { [Int($0.tv_sec), Int($0.tv_nsec)] })
    }
}
