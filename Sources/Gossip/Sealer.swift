import SWIM
import TLS
import Vocabulary

/// Seals this node's datagrams in a session of its own.
///
/// Not copyable: two copies would count alike, and a nonce used twice gives the plaintext away.
public struct Sealer: ~Copyable, Sendable {
    private var keyring: Keyring
    private var keyID: UInt32
    private var session: Sealing.SessionID
    private var cipher: AES256GCM
    private var counter: UInt64 = 0

    /// After as many a new session begins. NIST SP 800-38D would allow far more with a counter; this is years of them.
    private static let datagramsPerSessionMax: UInt64 = 1 << 32

    /// - Throws: `GossipError.emptyKeyring`; `.cryptography` when the system has no randomness.
    public init(keyring: Keyring) throws(GossipError) {
        let (key, session, cipher) = try Self.begin(keyring)
        self.keyring = keyring
        keyID = key.id
        self.session = session
        self.cipher = cipher
    }

    /// What datagrams are sealed in now.
    public var sealingSession: SealingSession { SealingSession(id: session) }

    /// Datagrams from now on are sealed with this keyring's primary key.
    public mutating func use(_ keyring: Keyring) throws(GossipError) {
        let isSameKey = keyring.primary == self.keyring.primary
        if !isSameKey { try renew(keyring) }
        self.keyring = keyring
    }

    /// - Throws: `GossipError.tooLarge` for a packet past `Packet.wireSizeMax`, which SWIM does not make.
    public mutating func seal(_ packet: Packet) throws(GossipError) -> [UInt8] {
        let size = packet.wireSize
        guard size <= Packet.wireSizeMax else { throw .tooLarge(bytes: size, bytesMax: Packet.wireSizeMax) }
        if counter >= Self.datagramsPerSessionMax { try renew(keyring) }
        var header = ByteWriter(capacity: Sealing.datagramBytesMax)
        header.write(Sealing.version)
        header.write(keyID)
        header.write(session.high)
        header.write(session.low)
        header.write(counter)
        let nonce = Sealing.nonce(counter)
        // Counted before it is used: whatever fails, this counter is gone.
        counter += 1
        let cipher = self.cipher
        let sealed = try Sealing.attempt("sealing a datagram") { () throws(TLSError) in
            try cipher.seal(PacketCodec.encode(packet), nonce: nonce, aad: header.bytes)
        }
        header.write(raw: sealed)
        return header.bytes
    }

    private mutating func renew(_ keyring: Keyring) throws(GossipError) {
        let (key, session, cipher) = try Self.begin(keyring)
        keyID = key.id
        self.session = session
        self.cipher = cipher
        counter = 0
    }

    private static func begin(
        _ keyring: Keyring
    ) throws(GossipError) -> (ClusterKey, Sealing.SessionID, AES256GCM) {
        guard let key = keyring.primary else { throw .emptyKeyring }
        let random = try Sealing.attempt("making a session") { () throws(TLSError) in
            try SecureRandom.bytes(Sealing.sessionBytes)
        }
        let session = Sealing.SessionID(
            high: random.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
            low: random.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) })
        return (key, session, try Sealing.cipher(key: key, session: session))
    }
}

/// A session that datagrams are sealed in, by its name alone.
public struct SealingSession: Sendable, Hashable {
    let id: Sealing.SessionID
}
