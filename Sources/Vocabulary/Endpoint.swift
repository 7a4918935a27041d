/// Where a node can be reached: a host (name or address) and a port.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// A host name, an IPv4 address or an IPv6 address without brackets; 1–253 bytes.
    public let host: String
    public let port: UInt16

    /// - Throws: `NameError.notAnEndpoint` for an empty, over-long or malformed host.
    public init(host: String, port: UInt16) throws(NameError) {
        guard (1...253).contains(host.utf8.count) else {
            throw .notAnEndpoint(text: host, reason: "the host must have 1-253 bytes")
        }
        let allowed = host.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: ":"),
                UInt8(ascii: "_"), UInt8(ascii: "%"):
                true
            default: false
            }
        }
        guard allowed else { throw .notAnEndpoint(text: host, reason: "the host has a character that no host has") }
        self.host = host
        self.port = port
    }

    /// Parses `host`, `host:port`, `[v6]:port` or a bare IPv6 address; a missing port is `defaultPort`.
    ///
    /// - Throws: `NameError.notAnEndpoint` with what is wrong.
    public init(parsing text: String, defaultPort: UInt16 = Endpoint.roostPort) throws(NameError) {
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else {
                throw .notAnEndpoint(text: text, reason: "the bracket is not closed")
            }
            let host = String(text[text.index(after: text.startIndex)..<close])
            let rest = text[text.index(after: close)...]
            if rest.isEmpty {
                try self.init(host: host, port: defaultPort)
            } else {
                try self.init(host: host, port: Self.port(rest, in: text))
            }
            return
        }
        let colons = text.utf8.count(where: { $0 == UInt8(ascii: ":") })
        if colons == 1, let colon = text.firstIndex(of: ":") {
            try self.init(host: String(text[..<colon]), port: Self.port(text[colon...], in: text))
        } else {
            try self.init(host: text, port: defaultPort)
        }
    }

    private static func port(_ suffix: Substring, in text: String) throws(NameError) -> UInt16 {
        // Digits only: the integer's own parser would take a sign.
        let digits = suffix.dropFirst()
        guard suffix.hasPrefix(":"), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits)
        else {
            throw .notAnEndpoint(text: text, reason: "the port must be a number from 0 to 65535")
        }
        return port
    }

    /// 7667/udp carries gossip, 7667/tcp the API: one number to open in a firewall.
    public static let roostPort: UInt16 = 7667

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

extension Endpoint: Codable {
    public init(from decoder: any Decoder) throws {
        try self.init(parsing: decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
