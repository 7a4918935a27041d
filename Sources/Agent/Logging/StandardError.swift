#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Everything that is not data goes here: one `write` a message, so that lines of many threads do not mix.
public enum StandardError {
    /// Gives up on an error: nobody is left to tell that nobody listens.
    public static func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { buffer -> Int in
                #if canImport(Glibc)
                    Glibc.write(STDERR_FILENO, buffer.baseAddress, buffer.count)
                #else
                    Darwin.write(STDERR_FILENO, buffer.baseAddress, buffer.count)
                #endif
            }
            if written > 0 {
                bytes = bytes.dropFirst(written)
            } else if errno != EINTR {
                return
            }
        }
    }
}
