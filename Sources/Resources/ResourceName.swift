import Vocabulary

/// The name of a resource: 1–512 bytes of UTF-8 in `/`-separated parts, no part empty, `.` or `..`, and no control
/// characters, so that a name can be a path, a URL and a line of a listing without surprise.
public struct ResourceName: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let text: String

    /// - Throws: `ResourceNameError` with what is wrong.
    public init(_ text: String) throws(ResourceNameError) {
        let count = text.utf8.count
        guard count > 0 else { throw .empty }
        guard count <= Self.byteCountMax else { throw .tooLong(bytes: count) }
        for scalar in text.unicodeScalars where scalar.properties.generalCategory == .control {
            throw .controlCharacter(scalar.value)
        }
        // By bytes, as file systems and URLs see it: a combining mark after a "/" makes one character of the two.
        for part in text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            if part.isEmpty { throw .emptyPart }
            if part.elementsEqual(".".utf8) || part.elementsEqual("..".utf8) { throw .dots(String(part) ?? "..") }
        }
        self.text = text
    }

    public static let byteCountMax = 512

    public var description: String { text }

    /// Two names are one only when their bytes are: canonically equal spellings stay two names, as in a file system.
    public static func == (a: ResourceName, b: ResourceName) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }

    public func hash(into hasher: inout Hasher) {
        for byte in text.utf8 { hasher.combine(byte) }
    }

    /// Byte order, as SQLite's BINARY collation has it.
    public static func < (a: ResourceName, b: ResourceName) -> Bool {
        a.text.utf8.lexicographicallyPrecedes(b.text.utf8)
    }
}

/// Why a text is not the name of a resource.
public enum ResourceNameError: Error, Hashable, Sendable, CustomStringConvertible {
    case empty
    case tooLong(bytes: Int)
    case controlCharacter(UInt32)
    case emptyPart
    case dots(String)

    public var description: String {
        switch self {
        case .empty: "a resource's name must not be empty"
        case .tooLong(let bytes):
            "a resource's name has at most \(ResourceName.byteCountMax) bytes of UTF-8; this one has \(bytes)"
        case .controlCharacter(let code):
            "a resource's name must not have control characters; this one has U+\(String(code, radix: 16, uppercase: true))"
        case .emptyPart: "a resource's name must not begin or end with \"/\" or have an empty part"
        case .dots(let part): "a resource's name must not have \"\(part)\" as a part"
        }
    }
}

extension ResourceName: Codable {
    public init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
