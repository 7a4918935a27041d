#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Standard error, for programs without Foundation: what is said to people, never a result.
public enum Terminal {
    /// Somebody looks on.
    public static let isThere = isatty(2) == 1

    public static func error(_ line: String) { write(line + "\n") }

    public static func write(_ text: String) {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { buffer in
                #if canImport(Glibc)
                    Glibc.write(2, buffer.baseAddress, buffer.count)
                #elseif canImport(Musl)
                    Musl.write(2, buffer.baseAddress, buffer.count)
                #else
                    Darwin.write(2, buffer.baseAddress, buffer.count)
                #endif
            }
            guard count > 0 else { return }
            sent += count
        }
    }
}
