/// The name of a node: what its certificate says, and the only identity that the cluster knows it by.
///
/// A DNS label (RFC 1123 §2.1) in lower case: 1–63 of `a-z`, `0-9`, `-`, with no hyphen at either end.
/// An address is where a node is now; its name is who it is, so a host may return with another address.
public struct NodeName: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let text: String

    /// - Throws: `NameError.notALabel` when the text is not a lower-case DNS label.
    public init(_ text: String) throws(NameError) {
        guard Label.isValid(text) else { throw .notALabel(kind: "node", text: text) }
        self.text = text
    }

    public var description: String { text }

    /// Byte order: the same on every machine, whatever its locale.
    public static func < (a: NodeName, b: NodeName) -> Bool {
        a.text.utf8.lexicographicallyPrecedes(b.text.utf8)
    }
}

/// The name of a cluster: a DNS label that every certificate of the cluster carries.
public struct ClusterName: Hashable, Sendable, CustomStringConvertible {
    public let text: String

    /// - Throws: `NameError.notALabel` when the text is not a lower-case DNS label.
    public init(_ text: String) throws(NameError) {
        guard Label.isValid(text) else { throw .notALabel(kind: "cluster", text: text) }
        self.text = text
    }

    public var description: String { text }
}

extension NodeName: Codable {
    public init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

extension ClusterName: Codable {
    public init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// Why a text is not a name, with what is allowed.
public enum NameError: Error, Hashable, Sendable, CustomStringConvertible {
    case notALabel(kind: String, text: String)
    case notACertificateName(text: String)
    case notAnEndpoint(text: String, reason: String)

    public var description: String {
        switch self {
        case .notALabel(let kind, let text):
            "\"\(Label.shown(text))\" is not a \(kind) name: use 1-63 of a-z, 0-9 and -, with no - at either end"
        case .notACertificateName(let text):
            "\"\(Label.shown(text))\" is not a certificate name of Roost: expected roost://CLUSTER/ROLE/NAME"
        case .notAnEndpoint(let text, let reason):
            "\"\(Label.shown(text))\" is not HOST:PORT: \(reason)"
        }
    }
}

enum Label {
    static func isValid(_ text: String) -> Bool {
        let bytes = text.utf8
        guard (1...63).contains(bytes.count) else { return false }
        guard bytes.first != UInt8(ascii: "-"), bytes.last != UInt8(ascii: "-") else { return false }
        return bytes.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
        }
    }

    /// Hostile text is cut and stripped of control characters before a message repeats it.
    static func shown(_ text: String) -> String {
        let safe = text.unicodeScalars.prefix(80).map { $0.properties.generalCategory == .control ? "?" : String($0) }
        return safe.joined() + (text.unicodeScalars.count > 80 ? "…" : "")
    }
}
