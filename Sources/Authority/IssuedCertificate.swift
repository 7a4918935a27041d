import Foundation
import Vocabulary

/// One certificate that the CA signed: a line of its log, and what `roost ca issue --json` prints.
public struct IssuedCertificate: Hashable, Sendable {
    public let name: CertificateName
    /// 128 bits, upper-case hexadecimal.
    public let serial: String
    /// Seconds since 1970.
    public let notBefore: Int64
    /// Seconds since 1970.
    public let notAfter: Int64
    /// SHA-256 of its public key; nil in a line of an older version.
    public let key: ContentDigest?
    /// The same of the CA that signed it.
    public let authority: ContentDigest?

    public init(
        name: CertificateName, serial: String, notBefore: Int64, notAfter: Int64, key: ContentDigest? = nil,
        authority: ContentDigest? = nil
    ) {
        self.key = key
        self.authority = authority
        self.name = name
        self.serial = serial
        self.notBefore = notBefore
        self.notAfter = notAfter
    }
}

extension IssuedCertificate: Codable {
    private enum Field: String, CodingKey {
        case uri, name, role, cluster, serial, key, authority
        case notBefore = "not_before"
        case notAfter = "not_after"
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Field.self)
        try container.encode(name.uri, forKey: .uri)
        try container.encode(name.name, forKey: .name)
        try container.encode(name.role, forKey: .role)
        try container.encode(name.cluster, forKey: .cluster)
        try container.encode(serial, forKey: .serial)
        try container.encode(Timestamp.text(notBefore), forKey: .notBefore)
        try container.encode(Timestamp.text(notAfter), forKey: .notAfter)
        try container.encodeIfPresent(key?.hex, forKey: .key)
        try container.encodeIfPresent(authority?.hex, forKey: .authority)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Field.self)
        name = try CertificateName(uri: container.decode(String.self, forKey: .uri))
        serial = try container.decode(String.self, forKey: .serial)
        notBefore = try Self.seconds(container, .notBefore)
        notAfter = try Self.seconds(container, .notAfter)
        key = try container.decodeIfPresent(String.self, forKey: .key).flatMap { ContentDigest(hex: $0) }
        authority = try container.decodeIfPresent(String.self, forKey: .authority).flatMap { ContentDigest(hex: $0) }
    }

    /// Exactly what `encode` writes: a calendar that changes in 1582, as Foundation's does, or a year of five digits, would
    /// read another time than was meant.
    private static func seconds(_ container: KeyedDecodingContainer<Field>, _ field: Field) throws -> Int64 {
        let text = try container.decode(String.self, forKey: field)
        let interval = try Date(text, strategy: .iso8601).timeIntervalSince1970
        guard let seconds = Int64(exactly: interval), Timestamp.text(seconds) == text else {
            throw DecodingError.dataCorruptedError(
                forKey: field, in: container, debugDescription: "it is no time of a certificate")
        }
        return seconds
    }
}
