import CNIOLinux

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Datagrams to a socket of this host, unix(7).
enum UnixDatagram {
    /// A path or an abstract name; `sun_path` has 108 bytes.
    static func isUsable(_ path: String) -> Bool {
        (path.hasPrefix("/") || path.hasPrefix("@")) && (2...107).contains(path.utf8.count)
    }

    /// - Parameters:
    ///   - path: as `isUsable` has it; with `@` first it is an abstract name.
    ///   - waits: where whoever listens has much to read; else it is not sent then.
    /// - Returns: whether it was sent.
    static func send(_ bytes: [UInt8], to path: String, waits: Bool = true) -> Bool {
        guard isUsable(path) else { return false }
        #if canImport(Glibc)
            let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        #else
            let descriptor = socket(AF_UNIX, SOCK_DGRAM, 0)
        #endif
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        let isAbstract = name.first == UInt8(ascii: "@")
        if isAbstract { name[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let headerSize = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
        // An abstract name is exactly its bytes; a path ends with a zero.
        let length = socklen_t(headerSize + name.count + (isAbstract ? 0 : 1))
        let flags = Int32(MSG_NOSIGNAL) | (waits ? 0 : Int32(MSG_DONTWAIT))
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                sendto(descriptor, bytes, bytes.count, flags, pointer, length) == bytes.count
            }
        }
    }
}
