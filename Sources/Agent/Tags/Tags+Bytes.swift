import TLS
import Vocabulary

extension Tags {
    /// What a claim says of them; `nil` when there are none.
    var digest: TagsDigest? { isEmpty ? nil : Self.digest(of: encoded) }

    static func digest(of encoded: [UInt8]) -> TagsDigest { TagsDigest(SHA256.digest(encoded)) }

    /// From the canonical form, which another node sent: `nil` for anything that no tags have as theirs.
    init?(encoded: [UInt8]) {
        guard encoded.count <= Self.bytesMax else { return nil }
        var reader = ByteReader(encoded)
        var byKey: [String: String] = [:]
        do {
            // Each tag takes three bytes from the reader at the least.
            while reader.remaining > 0 {
                let key = try reader.readShortText()
                byKey[key] = try reader.readText()
            }
            try self.init(byKey)
        } catch {
            return nil
        }
        // Another order, or a key twice: two texts for the same tags.
        guard self.encoded == encoded else { return nil }
    }
}
