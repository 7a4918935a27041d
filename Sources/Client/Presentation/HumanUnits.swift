import Vocabulary

/// Sizes and times for people; `--json` has the exact numbers.
public enum HumanUnits {
    /// `999 B`, `1.0 KiB`, `64.0 MiB`: binary units, one digit after the point.
    public static func bytes(_ count: UInt64) -> String {
        guard count >= 1024 else { return "\(count) B" }
        var unit = 0
        var divisor: UInt64 = 1024
        // 1023.95 KiB would show as 1024.0 KiB: it belongs to the next unit already.
        while unit < units.count - 1, tenths(count, divisor) >= 10_240 {
            unit += 1
            divisor *= 1024
        }
        let value = tenths(count, divisor)
        return "\(value / 10).\(value % 10) \(units[unit])"
    }

    private static let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]

    /// `count / divisor` in tenths, rounded, without overflow.
    private static func tenths(_ count: UInt64, _ divisor: UInt64) -> UInt64 {
        let whole = count / divisor
        let rest = count % divisor
        // The rest is below 2^60 and the product may pass 64 bits: scale both down first.
        let scale: UInt64 = divisor > 1 << 40 ? 1 << 20 : 1
        return whole * 10 + ((rest / scale) * 10 + divisor / scale / 2) / (divisor / scale)
    }

    /// `350 ms`, `12.3 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
    public static func duration(milliseconds: UInt64) -> String {
        let seconds = milliseconds / 1000
        switch seconds {
        case 0: return "\(milliseconds) ms"
        case 1..<60: return "\(seconds).\(milliseconds % 1000 / 100) s"
        case 60..<3600: return "\(seconds / 60) min \(seconds % 60) s"
        case 3600..<86_400: return "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        default: return "\(seconds / 86_400) d \(seconds % 86_400 / 3600) h"
        }
    }

    public static func duration(_ duration: Duration) -> String {
        self.duration(milliseconds: UInt64(max(0, duration.saturatingNanoseconds)) / 1_000_000)
    }

    /// `0.21 ms`, `12.3 ms`, `140 ms`; `-` when unknown.
    public static func roundTrip(milliseconds: Double?) -> String {
        guard let milliseconds, milliseconds.isFinite, milliseconds >= 0, milliseconds < 1e9 else { return "-" }
        if milliseconds >= 100 { return "\(Int64(milliseconds.rounded())) ms" }
        let digits = milliseconds >= 10 ? 1 : 2
        let scale: Int64 = digits == 1 ? 10 : 100
        let value = Int64((milliseconds * Double(scale)).rounded())
        let fraction = String(value % scale)
        return "\(value / scale).\(String(repeating: "0", count: digits - fraction.count))\(fraction) ms"
    }

    /// `2026-11-23 05:52:19` from RFC 3339: seconds do for a table, and it is UTC as everything here.
    public static func time(_ rfc3339: String) -> String {
        guard API.Timestamp.unixMilliseconds(rfc3339) != nil else { return rfc3339 }
        return rfc3339.prefix(10) + " " + rfc3339.dropFirst(11).prefix(8)
    }

    public static func percent(_ share: Double) -> String {
        guard share.isFinite, (0...10).contains(share) else { return "-" }
        let tenths = Int((share * 1000).rounded())
        return "\(tenths / 10).\(tenths % 10) %"
    }
}
