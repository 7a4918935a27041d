#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Small files of a command, written as the CA writes its own.
public enum DurableText {
    /// Puts another text into a file that is a person's, or makes it: its owner and its mode stay, and a link to it does.
    /// Durable when it returns.
    ///
    /// - Parameter mode: of a file that was not there.
    public static func rewrite(_ path: String, _ bytes: [UInt8], mode: mode_t) throws(AuthorityError) {
        try DurableFiles.rewrite(path, bytes, mode: mode)
    }

    public static func read(_ path: String) throws(AuthorityError) -> [UInt8] { try DurableFiles.read(path).bytes }

    public static func isThere(_ path: String) -> Bool { DurableFiles.exists(path) }
}
