/// Resource names and query values as parts of a request's path (RFC 3986), and back.
public enum ResourcePath {
    /// Percent-encodes everything but the unreserved characters; `/` stays as the separator that it is in the name.
    public static func encode(_ name: String) -> String { encode(name, keepingSlash: true) }

    /// The same for a query's value, where `/` is encoded too.
    public static func encodeQuery(_ value: String) -> String { encode(value, keepingSlash: false) }

    /// Undoes either. `nil` for a broken escape, bytes that are not UTF-8, or a character that must be encoded and
    /// is not. Whether the result is a resource's name (no empty part, no dots) is for `ResourceName` to judge.
    public static func decode(_ path: some StringProtocol) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(path.utf8.count)
        var iterator = path.utf8.makeIterator()
        while let byte = iterator.next() {
            if byte == UInt8(ascii: "%") {
                guard let high = iterator.next().flatMap(hexValue), let low = iterator.next().flatMap(hexValue) else {
                    return nil
                }
                bytes.append(high << 4 | low)
            } else {
                guard (0x21...0x7E).contains(byte), byte != UInt8(ascii: "?"), byte != UInt8(ascii: "#") else {
                    return nil
                }
                bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// `path?a=1&b=2` with the values encoded; values that are `nil` are left out.
    public static func with(_ path: String, query: [(name: String, value: String?)]) -> String {
        let pairs = query.compactMap { item in item.value.map { "\(item.name)=\(encodeQuery($0))" } }
        return pairs.isEmpty ? path : path + "?" + pairs.joined(separator: "&")
    }

    private static let hexDigits = Array("0123456789ABCDEF".utf8)

    private static func encode(_ text: String, keepingSlash: Bool) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                bytes.append(byte)
            case UInt8(ascii: "/") where keepingSlash: bytes.append(byte)
            default:
                bytes.append(UInt8(ascii: "%"))
                bytes.append(hexDigits[Int(byte >> 4)])
                bytes.append(hexDigits[Int(byte & 15)])
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
