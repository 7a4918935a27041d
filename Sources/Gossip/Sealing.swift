import SWIM
import TLS
import Vocabulary

/// The datagram on the wire, and what sealing and opening share.
///
///     version:u8 = 1 | key id:u32 | session:16 bytes | counter:u64 | ciphertext | tag:16 bytes
///
/// The first 29 bytes are the associated data, readable and authentic. The session key is HKDF-SHA256 of the cluster
/// key, salted with the random session id, with the info `roost gossip 1`; the nonce is four zero bytes and the counter.
/// A sender never uses a counter twice in a session and never a session twice, so no nonce repeats under a key, whoever
/// restarts or shares the cluster key.
enum Sealing {
    static let version: UInt8 = 1
    static let sessionBytes = 16
    static let headerBytes = 1 + 4 + sessionBytes + 8
    static let overheadBytes = headerBytes + AES256GCM.tagBytes
    static let datagramBytesMax = Packet.wireSizeMax + overheadBytes
    /// One-letter sender, gossip, no claims: name 2, kind 1, count 1.
    static let packetBytesMin = 4

    /// A session's name: 16 random bytes, as two words because it is a key of a table that every datagram looks into.
    struct SessionID: Hashable, Sendable {
        let high: UInt64
        let low: UInt64

        var bytes: [UInt8] {
            var writer = ByteWriter(capacity: sessionBytes)
            writer.write(high)
            writer.write(low)
            return writer.bytes
        }
    }

    static func cipher(key: ClusterKey, session: SessionID) throws(GossipError) -> AES256GCM {
        try attempt("deriving a session's key") { () throws(TLSError) in
            let derived = try HKDF.deriveKey(
                input: key.bytes, salt: session.bytes, info: Array("roost gossip 1".utf8), count: AES256GCM.keyBytes)
            return try AES256GCM(key: derived)
        }
    }

    static func nonce(_ counter: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: AES256GCM.nonceBytes)
        writer.write(UInt32(0))
        writer.write(counter)
        return writer.bytes
    }

    static func attempt<T>(_ during: String, _ body: () throws(TLSError) -> T) throws(GossipError) -> T {
        do {
            return try body()
        } catch {
            throw .cryptography(during: during, reason: "\(error)")
        }
    }
}

/// What everybody sees of a sealed datagram: enough to throw away what no member has sealed, and nothing else.
public enum DatagramShape {
    public static let bytesMin = Sealing.overheadBytes + Sealing.packetBytesMin
    public static let bytesMax = Sealing.datagramBytesMax
    /// The first byte; the key's id follows it, four bytes in network order.
    public static let version = Sealing.version
}
