import SWIM
import TLS
import Vocabulary

/// Opens datagrams that anyone may have sent.
///
/// Every step is bounded and cheap before the tag is verified: length, version, key id and, for a known session, the
/// replay window; then one key derivation at most and one decryption. Nothing is remembered of a datagram that does not
/// authenticate.
///
/// A replay from a session that was forgotten (more than 4,096 newer ones, or a restart of this node) opens again. That
/// is harmless by SWIM's own order: an old claim supersedes nothing, an old answer fits no question.
public struct Opener: Sendable {
    private struct Session: Sendable {
        let keyID: UInt32
        let cipher: AES256GCM
        var window = ReplayWindow()
    }

    private var keyring: Keyring
    /// Two generations instead of a linked list: what is used moves to the younger one; when that is full it becomes
    /// the older, and what nobody used in between is gone.
    private var younger: [Sealing.SessionID: Session] = [:]
    private var older: [Sealing.SessionID: Session] = [:]
    /// The sessions that this node seals in, the newest last: what comes from them was sent back.
    private var own: [Sealing.SessionID] = []
    public private(set) var rejections = Rejections()
    public private(set) var openedCount: UInt64 = 0

    /// Sessions kept at most. A member has one a start and key, so this is enough for some thousand members.
    public static let sessionsMax = 8_192

    /// As many own sessions as there are keys that open, and some to spare.
    static let ownMax = 8

    public init(keyring: Keyring) { self.keyring = keyring }

    /// Refuses from now on what is sealed in this session: one of this node's own.
    public mutating func refuse(_ session: SealingSession) {
        guard own.last != session.id else { return }
        own.append(session.id)
        if own.count > Self.ownMax { own.removeFirst() }
    }

    public var sessionCount: Int { younger.count + older.count }

    /// Datagrams are opened with these keys from now on; sessions of a key that is no longer there are forgotten.
    public mutating func use(_ keyring: Keyring) {
        self.keyring = keyring
        younger = younger.filter { keyring.key(id: $0.value.keyID) != nil }
        older = older.filter { keyring.key(id: $0.value.keyID) != nil }
    }

    /// - Throws: `GossipError`, after counting it in `rejections`.
    public mutating func open(_ datagram: [UInt8]) throws(GossipError) -> Packet {
        do {
            let packet = try openUncounted(datagram)
            openedCount &+= 1
            return packet
        } catch {
            rejections.count(error)
            throw error
        }
    }

    private mutating func openUncounted(_ datagram: [UInt8]) throws(GossipError) -> Packet {
        guard datagram.count >= Sealing.overheadBytes + Sealing.packetBytesMin else {
            throw .tooShort(bytes: datagram.count)
        }
        guard datagram.count <= Sealing.datagramBytesMax else { throw .tooLong(bytes: datagram.count) }
        let header = try Header(datagram)
        guard header.version == Sealing.version else { throw .unknownVersion(header.version) }
        guard let key = keyring.key(id: header.keyID) else { throw .unknownKey(id: header.keyID) }
        guard !own.contains(header.session) else { throw .reflected }

        let cipher = try cipher(for: header, key)
        let plaintext = try Self.decrypt(datagram, header, cipher)
        remember(header, cipher)
        return try PacketCodec.decode(plaintext[...])
    }

    private func cipher(for header: Header, _ key: ClusterKey) throws(GossipError) -> AES256GCM {
        guard let known = younger[header.session] ?? older[header.session], known.keyID == key.id else {
            return try Sealing.cipher(key: key, session: header.session)
        }
        guard known.window.admits(header.counter) else { throw .replayed }
        return known.cipher
    }

    private static func decrypt(
        _ datagram: [UInt8], _ header: Header, _ cipher: AES256GCM
    ) throws(GossipError) -> [UInt8] {
        do {
            return try cipher.open(
                datagram[Sealing.headerBytes...], nonce: Sealing.nonce(header.counter),
                aad: Array(datagram[..<Sealing.headerBytes]))
        } catch .authenticationFailed {
            throw .notAuthentic
        } catch {
            throw .cryptography(during: "opening a datagram", reason: "\(error)")
        }
    }

    /// The datagram was authentic: only now is anything kept of it.
    private mutating func remember(_ header: Header, _ cipher: AES256GCM) {
        let id = header.session
        if younger[id]?.keyID == header.keyID {
            // In place: the window's words are not copied.
            younger[id]?.window.record(header.counter)
            return
        }
        var session = Session(keyID: header.keyID, cipher: cipher)
        if let kept = older.removeValue(forKey: id), kept.keyID == header.keyID { session = kept }
        session.window.record(header.counter)
        if younger.count >= Self.sessionsMax / 2 {
            older = younger
            younger = [:]
        }
        younger[id] = session
    }
}

/// The readable part of a datagram.
private struct Header {
    let version: UInt8
    let keyID: UInt32
    let session: Sealing.SessionID
    let counter: UInt64

    init(_ datagram: [UInt8]) throws(GossipError) {
        var reader = ByteReader(datagram)
        do {
            version = try reader.read()
            keyID = try reader.read()
            session = Sealing.SessionID(high: try reader.read(), low: try reader.read())
            counter = try reader.read()
        } catch {
            throw .tooShort(bytes: datagram.count)
        }
    }
}
