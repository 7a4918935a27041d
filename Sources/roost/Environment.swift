#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The process's environment; an empty variable is as none.
enum Environment {
    static subscript(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }
}
