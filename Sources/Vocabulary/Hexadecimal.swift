/// Bytes and words in hexadecimal digits, lower case.
public enum Hexadecimal {
    public static func text(_ bytes: some Sequence<UInt8>) -> String { bytes.map { text(word: $0) }.joined() }

    /// All digits of the word, zeros in front included.
    public static func text(word: some FixedWidthInteger & UnsignedInteger) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: max(0, word.bitWidth / 4 - digits.count)) + digits
    }

    /// - Parameter anyCase: takes digits of the upper case as well.
    /// - Returns: `nil` unless these are digits and nothing else, two for each byte.
    public static func bytes(_ text: String, anyCase: Bool = false) -> [UInt8]? {
        let digits = text.utf8
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        var high: UInt8?
        for digit in digits {
            guard let value = value(of: digit, anyCase) else { return nil }
            if let upper = high {
                bytes.append(upper << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return bytes
    }

    private static func value(of digit: UInt8, _ anyCase: Bool) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F") where anyCase: digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
