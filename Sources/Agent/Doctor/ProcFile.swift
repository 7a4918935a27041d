#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A text of the kernel's (proc(5)).
enum ProcFile {
    /// A table of 64 MiB is some 400,000 sockets.
    private static let bytesMax = 64 << 20

    /// None where the system has no such file.
    static func lines(_ path: String) -> [Substring] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < bytesMax {
            let count = read(descriptor, &part, part.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes.append(contentsOf: part.prefix(count))
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    }
}

/// The kernel's tables of sockets: `sl local_address rem_address st …`, addresses as `HEX:PORT`.
enum SocketTable {
    private static let stateListen = "0A"

    static func isBound(_ port: UInt16, in path: String, listening: Bool) -> Bool {
        ProcFile.lines(path).dropFirst().contains { line in
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count > 3, let colon = fields[1].lastIndex(of: ":") else { return false }
            let digits = fields[1][fields[1].index(after: colon)...]
            return UInt16(digits, radix: 16) == port && (!listening || fields[3] == stateListen)
        }
    }
}
