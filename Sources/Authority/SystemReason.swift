#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// An `errno` with the system's own words and what an operator can do about it.
public struct SystemReason: Hashable, Sendable, CustomStringConvertible {
    public let errno: Int32

    public init(errno: Int32) { self.errno = errno }

    public var description: String { String(cString: strerror(errno)) }

    public var remedy: String {
        switch errno {
        case ENOSPC, EDQUOT: "free some space there and try again"
        case EACCES, EPERM: "run as a user who may, or choose another folder"
        case EROFS: "choose a folder on a file system that is not read-only"
        case ENOENT: "check the path"
        case ENOTDIR: "a part of the path is a file, not a folder: check the path"
        default: "nothing was changed"
        }
    }

    public var isMissing: Bool { errno == ENOENT }

    /// The user may not, rather than the machine can not.
    public var isPermission: Bool { errno == EACCES || errno == EPERM || errno == EROFS }
}

/// Times as messages, logs and `--json` show them.
public enum Timestamp {
    /// Seconds since 1970 as RFC 3339 in UTC.
    public static func text(_ seconds: Int64) -> String {
        var time = time_t(seconds)
        var parts = tm()
        guard gmtime_r(&time, &parts) != nil else { return "second \(seconds) of 1970" }
        func pad(_ number: Int32, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(pad(parts.tm_year + 1900, 4))-\(pad(parts.tm_mon + 1, 2))-\(pad(parts.tm_mday, 2))"
        return date + "T\(pad(parts.tm_hour, 2)):\(pad(parts.tm_min, 2)):\(pad(parts.tm_sec, 2))Z"
    }

    /// The wall clock, in seconds since 1970.
    public static var now: Int64 { Int64(time(nil)) }
}
