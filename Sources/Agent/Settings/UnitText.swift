import Vocabulary

/// Times as people write them: `500ms`, `30s`, `2m`, `1h`. A bare number is refused, because its unit would be a guess.
enum DurationText {
    private static let units: [(suffix: String, nanoseconds: Int64)] = [
        ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
    ]

    static func parse(_ text: String) -> Duration? {
        guard let (number, suffix) = splitUnit(text), let unit = units.first(where: { $0.suffix == suffix }) else {
            return nil
        }
        let (nanoseconds, overflow) = number.multipliedReportingOverflow(by: unit.nanoseconds)
        return overflow ? nil : .nanoseconds(nanoseconds)
    }

    /// In the greatest unit that divides it.
    static func show(_ duration: Duration) -> String {
        let nanoseconds = duration.saturatingNanoseconds
        for unit in units.reversed() where nanoseconds != 0 && nanoseconds % unit.nanoseconds == 0 {
            return "\(nanoseconds / unit.nanoseconds)\(unit.suffix)"
        }
        return "\(nanoseconds / 1_000_000)ms"
    }
}

/// Sizes: `4096`, `64KiB`, `1GiB` (powers of 1,024) and `1GB` (powers of 1,000).
enum ByteCountText {
    private static let units: [(suffix: String, bytes: Int64)] = [
        ("", 1), ("B", 1), ("kB", 1_000), ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
    ]

    static func parse(_ text: String) -> Int? {
        guard let (number, suffix) = splitUnit(text), let unit = units.first(where: { $0.suffix == suffix }) else {
            return nil
        }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit.bytes)
        return overflow ? nil : Int(exactly: bytes)
    }

    static func show(_ bytes: Int) -> String {
        for unit in units.reversed() where unit.suffix.hasSuffix("iB") && bytes != 0 && Int64(bytes) % unit.bytes == 0 {
            return "\(Int64(bytes) / unit.bytes)\(unit.suffix)"
        }
        return "\(bytes)B"
    }
}

/// Digits, then the unit; nil for a sign, a space or more digits than 64 bits hold.
private func splitUnit(_ text: String) -> (number: Int64, suffix: String)? {
    let digits = text.prefix { $0.isASCII && $0.isWholeNumber }
    guard (1...19).contains(digits.utf8.count), let number = Int64(digits) else { return nil }
    return (number, String(text[digits.endIndex...]))
}
