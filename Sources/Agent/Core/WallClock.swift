import FoundationEssentials

/// The machine's clock, for what people read and for the hybrid clock; no timer hangs on it.
enum WallClock {
    /// Seconds since 1970: what certificates count in.
    static var seconds: Int64 { Int64(clamping: milliseconds / 1000) }

    /// Milliseconds since 1970; 0 before that.
    static var milliseconds: UInt64 {
        let seconds = Date.now.timeIntervalSince1970
        return seconds > 0 ? UInt64(exactly: (seconds * 1000).rounded(.down)) ?? .max : 0
    }
}
