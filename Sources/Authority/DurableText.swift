#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Small files of a command, written as the CA writes its own.
public enum DurableText {
    /// Puts a file in the place of another, or of none. Durable when it returns.
    public static func replace(_ path: String, _ bytes: [UInt8], mode: mode_t) throws(AuthorityError) {
        try DurableFiles.replace(path, bytes, mode: mode)
    }

    public static func read(_ path: String) throws(AuthorityError) -> [UInt8] { try DurableFiles.read(path).bytes }

    public static func isThere(_ path: String) -> Bool { DurableFiles.exists(path) }
}
