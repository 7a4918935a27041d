import Gossip
import TLS
import Vocabulary

/// The seal of docs/PROTOCOL.md once more, by its text: with sessions from a seed, so that a run can be repeated, and
/// able to seal what no agent would.
struct Seal {
    static let headerBytes = 1 + 4 + 16 + 8
    static let tagBytes = 16

    let key: ClusterKey

    struct Session {
        let keyID: UInt32
        let id: [UInt8]
        let cipher: AES256GCM
        var counter: UInt64 = 0
    }

    func session(_ dice: inout Dice) throws -> Session {
        let id = dice.bytes(16)
        let derived = try HKDF.deriveKey(input: key.bytes, salt: id, info: Array("roost gossip 1".utf8), count: 32)
        return Session(keyID: key.id, id: id, cipher: try AES256GCM(key: derived))
    }

    /// The session's next datagram.
    func seal(_ plaintext: [UInt8], in session: inout Session) throws -> [UInt8] {
        var header = Self.header(keyID: session.keyID, session: session.id, counter: session.counter)
        var nonce = ByteWriter(capacity: 12)
        nonce.write(UInt32(0))
        nonce.write(session.counter)
        session.counter += 1
        let sealed = try session.cipher.seal(plaintext, nonce: nonce.bytes, aad: header)
        header.append(contentsOf: sealed)
        return header
    }

    static func header(keyID: UInt32, session: [UInt8], counter: UInt64) -> [UInt8] {
        var header = ByteWriter(capacity: 1_400)
        header.write(UInt8(1))
        header.write(keyID)
        header.write(raw: session)
        header.write(counter)
        return header.bytes
    }
}
