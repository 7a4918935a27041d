import HTTPTypes
import Hummingbird

/// The `Range` header of RFC 9110 §14.2, one range of bytes. Several ranges, other units and what is malformed are
/// ignored, as the RFC allows: the answer is the whole.
public enum ByteRange: Hashable, Sendable {
    case whole
    case part(offset: Int, count: Int)
    /// 416: the range begins behind the end.
    case unsatisfiable

    /// - Parameter size: bytes of the whole.
    public static func parse(_ header: String?, size: Int) -> ByteRange {
        guard let header, header.utf8.count <= 256 else { return .whole }
        let parts = header.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].lowercased() == "bytes" else { return .whole }
        let specifier = parts[1].trimmingSpaces
        guard !specifier.contains(",") else { return .whole }
        let ends = specifier.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard ends.count == 2 else { return .whole }
        switch (ends[0].isEmpty, ends[1].isEmpty) {
        case (true, true): return .whole
        case (true, false):
            guard let suffix = number(ends[1]) else { return .whole }
            guard suffix > 0, size > 0 else { return .unsatisfiable }
            let count = min(suffix, size)
            return .part(offset: size - count, count: count)
        case (false, true):
            guard let first = number(ends[0]) else { return .whole }
            return first < size ? .part(offset: first, count: size - first) : .unsatisfiable
        case (false, false):
            guard let first = number(ends[0]), let last = number(ends[1]), first <= last else { return .whole }
            guard first < size else { return .unsatisfiable }
            return .part(offset: first, count: min(last, size - 1) - first + 1)
        }
    }

    /// The same, honouring `If-Range`: a range of another version than `etag` would be spliced wrongly.
    public static func parse(_ request: Request, etag: String, size: Int) -> ByteRange {
        if let condition = request.headers[.ifRange], condition != etag { return .whole }
        return parse(request.headers[.range], size: size)
    }

    /// `bytes 0-4/10`
    public static func contentRange(offset: Int, count: Int, size: Int) -> String {
        "bytes \(offset)-\(offset + count - 1)/\(size)"
    }

    /// Digits only; a number past 64 bits is as good as the greatest.
    private static func number(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            return nil
        }
        return Int(text) ?? .max
    }
}

/// `If-Match` and `If-None-Match` of RFC 9110 §13.1: `*`, or a list of entity tags.
public enum EntityTags: Hashable, Sendable {
    case any
    case list([String])

    /// - Returns: nil for an absent header, and for one without any entity tag.
    public init?(_ header: String?) {
        guard let header, header.utf8.count <= 4096 else { return nil }
        if header.trimmingSpaces == "*" {
            self = .any
            return
        }
        var tags: [String] = []
        var rest = header[...]
        while let open = rest.firstIndex(of: "\"") {
            let isWeak = rest[..<open].hasSuffix("W/")
            let inside = rest.index(after: open)
            guard let close = rest[inside...].firstIndex(of: "\"") else { break }
            tags.append((isWeak ? "W/" : "") + rest[open...close])
            rest = rest[rest.index(after: close)...]
        }
        guard !tags.isEmpty else { return nil }
        self = .list(tags)
    }

    /// Weak comparison (§8.8.3.2), as `If-None-Match` wants it.
    public func weaklyMatches(_ etag: String) -> Bool {
        switch self {
        case .any: true
        case .list(let tags): tags.contains { $0.droppingWeak == etag.droppingWeak }
        }
    }

    /// Strong comparison, as `If-Match` wants it.
    public func stronglyMatches(_ etag: String) -> Bool {
        switch self {
        case .any: true
        case .list(let tags): !etag.hasPrefix("W/") && tags.contains(etag)
        }
    }
}

extension String {
    fileprivate var droppingWeak: Substring { hasPrefix("W/") ? dropFirst(2) : self[...] }
}
