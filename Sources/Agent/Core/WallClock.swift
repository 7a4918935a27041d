import CNIOLinux

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The machine's clock, for what people read and for the hybrid clock; no timer hangs on it.
enum WallClock {
    /// Seconds since 1970: what certificates count in.
    static var seconds: Int64 { Int64(clamping: milliseconds / 1000) }

    /// Milliseconds since 1970; 0 before that.
    static var milliseconds: UInt64 {
        var time = timespec()
        guard clock_gettime(CLOCK_REALTIME, &time) == 0 else { return 0 }
        let seconds = UInt64(clamping: Int64(time.tv_sec))
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        return overflow ? .max : whole &+ UInt64(clamping: Int64(time.tv_nsec) / 1_000_000)
    }
}
