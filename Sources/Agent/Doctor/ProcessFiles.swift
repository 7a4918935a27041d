#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How many files this process may have open, and has.
enum ProcessFiles {
    static var limit: UInt64 {
        var limits = rlimit()
        #if canImport(Glibc)
            let kind = RLIMIT_NOFILE.rawValue
            guard getrlimit(__rlimit_resource_t(kind), &limits) == 0 else { return 0 }
        #else
            guard getrlimit(RLIMIT_NOFILE, &limits) == 0 else { return 0 }
        #endif
        return UInt64(limits.rlim_cur)
    }

    /// `nil` where the system does not say.
    static var open: UInt64? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count: UInt64 = 0
        while readdir(folder) != nil { count += 1 }
        // `.`, `..` and the descriptor of the folder itself.
        return count > 3 ? count - 3 : 0
    }
}
