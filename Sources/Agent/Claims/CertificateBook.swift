import Client
import Logging
import NIOConcurrencyHelpers
import Storage
import TLS
import Vocabulary

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A node's certificate and those between it and the CA, as nodes hand them to each other: DER, in base64.
struct CertificateChain: Codable, Sendable, Hashable {
    var der: [[UInt8]]

    init(_ der: [[UInt8]]) { self.der = der }

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        var der: [[UInt8]] = []
        // One more than a chain may have: it is refused as a whole, not cut.
        while !container.isAtEnd, der.count <= NodeCertificate.chainCountMax {
            der.append(Array(try container.decode(Data.self)))
        }
        self.der = der
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        for certificate in der { try container.encode(Data(certificate)) }
    }

    var byteCount: Int { der.reduce(0) { $0 + $1.count } }
}

/// The certificates of the cluster's nodes, as far as this one has seen them: what claims are verified with. Who brings
/// one matters not, since each is judged by the CA; so they are learned from whoever has them, and kept on disk for the
/// next start.
///
/// A name has several for as long as they are valid: the one before a renewal still verifies what was signed with it.
/// They are told apart by the id that each signature carries, so that which is newer decides nothing; a certificate
/// that must not count any more is revoked.
final class CertificateBook: Sendable {
    private static let storageKey = "certificates"
    /// As many as there may be members.
    static let namesMax = 20_000
    /// The present certificate, the one before, and two of a second host or a hurried renewal; the newest are kept.
    static let perNameMax = 4
    /// On disk: some thousands. Who restarts in a larger cluster asks for the rest.
    static let savedBytesMax = 4 << 20
    /// In one answer: some thousand certificates. Who lacks more asks again.
    static let answerBytesMax = 1 << 20
    static let wantedMax = 1_024
    /// Verifying one costs 0.2 ms: who sends so many that are none is not listened to any longer.
    static let refusedMax = 8

    private struct State {
        /// Newest first.
        var byName: [NodeName: [NodeCertificate]] = [:]
        /// Of all in it, so that what is known already costs one look.
        var fingerprints: Set<ContentDigest> = []
        /// Rises with each change; what was saved last.
        var version: UInt64 = 0
        var saved: UInt64 = 0
    }

    private let me: NodeName
    private let credentials: CurrentCredentials
    private let log: Logger
    private let state = NIOLockedValueBox(State())

    init(me: NodeName, credentials: CurrentCredentials, log: Logger) {
        self.me = me
        self.credentials = credentials
        self.log = log
        learn([own])
    }

    /// This node's own.
    var own: CertificateChain { CertificateChain(credentials.context.credentials.chain) }

    func certificate(_ id: UInt32, of name: NodeName) -> NodeCertificate? {
        state.withLockedValue { state in state.byName[name]?.first { $0.id == id } }
    }

    func knows(_ name: NodeName) -> Bool { state.withLockedValue { $0.byName[name] != nil } }

    /// Those of these names that fit one answer.
    func chains(of names: [NodeName]) -> [CertificateChain] {
        let found = state.withLockedValue { state in
            names.prefix(Self.wantedMax).flatMap { state.byName[$0] ?? [] }
        }
        return Self.chains(of: found, bytesMax: Self.answerBytesMax)
    }

    /// Those that are good for something still, within the bound.
    private static func chains(of certificates: [NodeCertificate], bytesMax: Int) -> [CertificateChain] {
        let seconds = Int64(clamping: WallClock.milliseconds / 1000)
        var room = bytesMax
        var chains: [CertificateChain] = []
        for certificate in certificates where certificate.notAfter >= seconds {
            let chain = CertificateChain(certificate.chain)
            guard chain.byteCount <= room else { break }
            room -= chain.byteCount
            chains.append(chain)
        }
        return chains
    }

    /// Takes over those that the CA stands for and that are not known yet.
    ///
    /// - Parameter refusedMax: after so many that it does not stand for, the rest is not looked at.
    /// - Returns: the names that something new is known of.
    @discardableResult
    func learn(_ chains: [CertificateChain], refusedMax: Int = CertificateBook.refusedMax) -> Set<NodeName> {
        var news: Set<NodeName> = []
        var refused = 0
        let trusted = credentials.context.credentials
        for chain in chains.prefix(Self.wantedMax * Self.perNameMax) where refused < refusedMax {
            guard let leaf = chain.der.first else { continue }
            let fingerprint = SHA256.digest(leaf)
            if state.withLockedValue({ $0.fingerprints.contains(fingerprint) }) { continue }
            do {
                let certificate = try NodeCertificate(chain: chain.der, trusting: trusted)
                if add(certificate) { news.insert(certificate.name) }
            } catch {
                refused += 1
                log.debug("did not take a certificate", metadata: ["error": "\(error)"])
            }
        }
        return news
    }

    private func add(_ certificate: NodeCertificate) -> Bool {
        state.withLockedValue { state in
            guard state.byName[certificate.name] != nil || state.byName.count < Self.namesMax,
                !state.fingerprints.contains(certificate.fingerprint)
            else { return false }
            var all = state.byName[certificate.name] ?? []
            all.append(certificate)
            // Of equals the lesser fingerprint: every node keeps the same ones.
            all.sort { ($1.notBefore, $0.fingerprint) < ($0.notBefore, $1.fingerprint) }
            let removed = all.count > Self.perNameMax ? all.removeLast() : nil
            guard removed !== certificate else { return false }
            if let removed { state.fingerprints.remove(removed.fingerprint) }
            state.fingerprints.insert(certificate.fingerprint)
            state.byName[certificate.name] = all
            state.version &+= 1
            return true
        }
    }

    /// After this node's credentials changed: its own new certificate counts, and others' only if the CA of now, which
    /// may be another one, stands for them.
    func readAgain() {
        let all = state.withLockedValue { state in
            defer {
                state.byName = [:]
                state.fingerprints = []
                state.version &+= 1
            }
            return state.byName.values.flatMap { $0 }
        }
        let trusted = credentials.context.credentials
        for certificate in all {
            guard let valid = try? NodeCertificate(chain: certificate.chain, trusting: trusted) else { continue }
            _ = add(valid)
        }
        learn([own])
    }

    // MARK: Disk

    func load(from store: Store) async throws {
        guard let bytes = try await store.load(Self.storageKey) else { return }
        do {
            // Many may have come to their end since.
            learn(try API.JSON.decode([CertificateChain].self, from: bytes), refusedMax: .max)
        } catch {
            log.warning("could not read the saved certificates; asking for them again", metadata: ["error": "\(error)"])
        }
        state.withLockedValue { $0.saved = $0.version }
    }

    /// When there is something new.
    func save(to store: Store) async {
        let (version, certificates): (UInt64, [NodeCertificate]) = state.withLockedValue { state in
            guard state.saved != state.version else { return (state.version, []) }
            let names = state.byName.keys.sorted()
            return (state.version, names.flatMap { state.byName[$0] ?? [] })
        }
        guard !certificates.isEmpty else { return }
        do {
            let chains = Self.chains(of: certificates, bytesMax: Self.savedBytesMax)
            try await store.save(try API.JSON.encode(chains), for: Self.storageKey)
            state.withLockedValue { $0.saved = version }
        } catch {
            log.warning("could not save the members' certificates", metadata: ["error": "\(error)"])
        }
    }
}
