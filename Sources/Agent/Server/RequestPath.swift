import Hummingbird

/// Names in paths and queries: percent-encoded UTF-8, decoded strictly. A name that could be read in two ways is
/// refused, never repaired.
public enum PercentEncoding {
    /// - Throws: 400 for `%` without two hexadecimal digits, bytes outside ASCII, or bytes that are not UTF-8.
    public static func decode(_ raw: some StringProtocol, what: String) throws(APIError) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(raw.utf8.count)
        var iterator = raw.utf8.makeIterator()
        while let byte = iterator.next() {
            guard byte == UInt8(ascii: "%") else {
                guard byte < 0x80 else {
                    throw .badRequest("\(what) has a byte outside ASCII", hint: "percent-encode its UTF-8")
                }
                bytes.append(byte)
                continue
            }
            guard let high = iterator.next().flatMap(nibble), let low = iterator.next().flatMap(nibble) else {
                throw .badRequest("\(what) has a % that is not followed by two hexadecimal digits")
            }
            bytes.append(high << 4 | low)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .badRequest("\(what) is not UTF-8")
        }
        return text
    }

    private static func nibble(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension Request {
    /// The rest of the path behind `prefix` (`/v1/resources/`), decoded: a resource's name, slashes and all.
    ///
    /// - Throws: 400 for an encoding that is not strict, and for a path that spells the prefix in another way
    ///   (`//v1/resources/…` finds the route, and names nothing).
    public func name(after prefix: String) throws(APIError) -> String {
        let path = uri.path
        guard path.hasPrefix(prefix) else {
            throw .badRequest("the path must begin with \(prefix)")
        }
        return try PercentEncoding.decode(path.dropFirst(prefix.count), what: "the name in the path")
    }

    /// The query's values by key, decoded.
    ///
    /// - Throws: 400 for an encoding that is not strict, a key given twice, or more than 32 of them.
    public func query() throws(APIError) -> [String: String] {
        var values: [String: String] = [:]
        guard let query = uri.query, !query.isEmpty else { return values }
        let pairs = query.split(separator: "&")
        guard pairs.count <= 32 else { throw .badRequest("the query has more than 32 values") }
        for pair in pairs {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = try PercentEncoding.decode(halves[0], what: "the query")
            let value = halves.count == 2 ? try PercentEncoding.decode(halves[1], what: "\(key) in the query") : ""
            guard values.updateValue(value, forKey: key) == nil else {
                throw .badRequest("the query has \(key) twice")
            }
        }
        return values
    }
}
