import SWIM
import Vocabulary

/// What a member signs of a claim about itself: the text, and how the signature says which certificate it is of.
///
///     text      = "roost claim 1":text cluster:text name:text epoch:u64 incarnation:u32 state:u8
///                 endpoint zone:text? weight:u32 version:text tags?
///     signature = certificate:u32 raw
///
/// `state` is the one that the member announced: an accusation is no part of it, so it does not void the signature.
/// `certificate` is the first word of the SHA-256 of the certificate's DER form: it finds the key at once, and tells a
/// certificate that is not known here from a forgery. The tag at the front keeps a signature made for anything else from
/// passing for one of a claim. `tags` is the digest of the member's tags, so that nobody can give it others; `state` says
/// whether there are any, as on the wire, so that no text can be read in two ways.
public enum ClaimStatement {
    private static let tag = "roost claim 1"

    public static func text(of claim: Claim, in cluster: ClusterName) -> [UInt8] {
        let statement = claim.statement
        var writer = ByteWriter(capacity: 160)
        writer.write(shortText: tag)
        writer.write(shortText: cluster.text)
        writer.write(shortText: statement.name.text)
        writer.write(statement.epoch)
        writer.write(statement.incarnation.number)
        writer.write(StateByte.encode(statement))
        writer.write(shortText: statement.endpoint.host)
        writer.write(statement.endpoint.port)
        writer.write(shortText: statement.metadata.zone ?? "")
        writer.write(statement.metadata.weight)
        writer.write(shortText: statement.metadata.version)
        if let tags = statement.metadata.tags { writer.write(raw: tags.bytes) }
        return writer.bytes
    }

    /// `nil` when the raw signature is longer than a claim may carry.
    public static func signature(certificate: UInt32, raw: [UInt8]) -> ClaimSignature? {
        var writer = ByteWriter(capacity: 4 + raw.count)
        writer.write(certificate)
        writer.write(raw: raw)
        return ClaimSignature(writer.bytes)
    }

    /// `nil` when it is too short to be one.
    public static func parts(of signature: ClaimSignature) -> (certificate: UInt32, raw: [UInt8])? {
        var reader = ByteReader(signature.bytes)
        guard let certificate = try? reader.read(UInt32.self), reader.remaining > 0 else { return nil }
        return (certificate, Array(signature.bytes.dropFirst(4)))
    }
}
