import Foundation
import TLS
import Vocabulary

/// What an operator carries from one host to the other: whom to call, by what to know them, and a secret that is good
/// once. One word of text, `rt1_` and base64url (RFC 4648 §5), whose end tells a mistyped one from a refused one.
public struct InvitationToken: Hashable, Sendable {
    public static let prefix = "rt1_"
    public static let idBytes = 8
    public static let addressesMax = 4
    /// Four host names of full length fit.
    public static let textBytesMax = 2_048
    private static let checksumBytes = 4

    public let cluster: ClusterName
    public let role: Role
    /// The name that it is good for; nil where the host may choose one.
    public let name: NodeName?
    /// Where the issuer is, tried in order.
    public let addresses: [Endpoint]
    /// SHA-256 of the CA's public key: the host takes nobody's word but of a node that this CA vouches for.
    public let pin: ContentDigest
    /// Not secret: what `roost invite list` shows.
    public let id: [UInt8]
    public let secret: [UInt8]

    public init(
        cluster: ClusterName, role: Role, name: NodeName?, addresses: [Endpoint], pin: ContentDigest, id: [UInt8],
        secret: [UInt8]
    ) {
        self.cluster = cluster
        self.role = role
        self.name = name
        self.addresses = Array(addresses.prefix(Self.addressesMax))
        self.pin = pin
        self.id = id
        self.secret = secret
    }

    private static let roles: [Role] = [.node, .client, .reader, .admin]

    public var text: String {
        var writer = ByteWriter(capacity: 160)
        writer.write(UInt8(Self.roles.firstIndex(of: role) ?? 0))
        writer.write(raw: id)
        writer.write(raw: secret)
        writer.write(raw: pin.bytes)
        writer.write(shortText: cluster.text)
        writer.write(shortText: name?.text ?? "")
        writer.write(UInt8(addresses.count))
        for address in addresses { writer.write(shortText: address.description) }
        let bytes = writer.bytes + Self.checksum(writer.bytes)
        return Self.prefix
            + Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }

    /// - Throws: `InvitationTokenError`: no token at all, or one that was changed on the way.
    public init(parsing text: String) throws(InvitationTokenError) {
        guard text.utf8.count <= Self.textBytesMax, text.hasPrefix(Self.prefix) else { throw .notAToken }
        let body = text.dropFirst(Self.prefix.count)
        guard
            body.utf8.allSatisfy({ byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                    || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
            })
        else { throw .damaged }
        let padded =
            body.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
            + String(repeating: "=", count: (4 - body.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: padded), data.count > Self.checksumBytes else { throw .damaged }
        let bytes = [UInt8](data)
        let content = Array(bytes.dropLast(Self.checksumBytes))
        guard Self.checksum(content) == Array(bytes.suffix(Self.checksumBytes)) else { throw .damaged }
        do {
            try self.init(content: content)
        } catch {
            throw .damaged
        }
        // Spare bits at the end of base64 may differ; one token has one text.
        guard self.text == text else { throw .damaged }
    }

    private init(content: [UInt8]) throws {
        var reader = ByteReader(content)
        let role = Int(try reader.read(UInt8.self))
        guard Self.roles.indices.contains(role) else { throw InvitationTokenError.damaged }
        self.role = Self.roles[role]
        id = Array(try reader.read(count: Self.idBytes))
        secret = Array(try reader.read(count: InvitationProof.secretBytes))
        guard let pin = ContentDigest(bytes: try reader.read(count: 32)) else { throw InvitationTokenError.damaged }
        self.pin = pin
        cluster = try ClusterName(try reader.readShortText())
        name = try reader.readNodeNameOrNone()
        let count = Int(try reader.read(UInt8.self))
        guard (1...Self.addressesMax).contains(count) else { throw InvitationTokenError.damaged }
        var addresses: [Endpoint] = []
        for _ in 0..<count { addresses.append(try Endpoint(parsing: try reader.readShortText())) }
        guard reader.remaining == 0 else { throw InvitationTokenError.damaged }
        self.addresses = addresses
    }

    private static func checksum(_ bytes: [UInt8]) -> [UInt8] {
        Array(SHA256.digest(Array("roost token 1".utf8) + bytes).bytes.prefix(checksumBytes))
    }
}

public enum InvitationTokenError: Error, Hashable, Sendable, CustomStringConvertible {
    case notAToken
    case damaged

    public var description: String {
        switch self {
        case .notAToken: "this is no token: one begins with \(InvitationToken.prefix)"
        case .damaged: "the token was changed on the way, a letter lost or mistyped: copy the whole line again"
        }
    }
}
