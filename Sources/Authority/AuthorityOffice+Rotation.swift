import TLS
import Vocabulary

extension AuthorityOffice {
    public enum RotationStep: String, Sendable, Codable, CaseIterable {
        case introduce, reissue, retire, abandon
    }

    /// Somebody to whom certificates were issued, by the newest that is good still; where none is, by the newest.
    public struct Holder: Sendable, Hashable {
        /// What becomes of them with the next step.
        public enum Prospect: Sendable, Hashable {
            case ready
            /// Cut off by it.
            case behind
            /// In need of another certificate anyhow.
            case expired
        }

        public let name: CertificateName
        /// Seconds since 1970.
        public let notAfter: Int64
        public let prospect: Prospect
    }

    /// Where the rotation stands.
    public func rotation() throws(AuthorityError) -> AuthorityRotation {
        try AuthorityRotation(of: CertificateAuthority.open(folder: folder))
    }

    /// Takes one step. Whether the cluster is ready for it is the caller's to know.
    ///
    /// - Returns: false, and nothing is changed, when it is not the next one.
    public func rotate(_ step: RotationStep, now: Int64 = Timestamp.now) throws(AuthorityError) -> Bool {
        let authority = try CertificateAuthority.open(folder: folder)
        let phase = try AuthorityRotation(of: authority).phase
        switch (phase, step) {
        case (.none, .introduce): try AuthorityRotation.introduce(authority, now: now)
        case (.introduced, .reissue): try AuthorityRotation.reissue(authority)
        case (.reissuing, .retire): try AuthorityRotation.retire(authority)
        case (.introduced, .abandon): try AuthorityRotation.abandon(authority)
        case (.none, _), (.introduced, _), (.reissuing, _): return false
        }
        return true
    }

    /// Everybody, by what was issued, in the order of their names; nobody while no change is under way. Cut off are, before
    /// the new CA signs, those who do not trust it; before the old one goes, those whose certificate it signed.
    ///
    /// Which certificate a new one took the place of is not written down: of one name on two machines, who renews speaks
    /// for both.
    public func holders(now: Int64 = Timestamp.now) throws(AuthorityError) -> [Holder] {
        let authority = try CertificateAuthority.open(folder: folder)
        let rotation = try AuthorityRotation(of: authority)
        guard rotation.phase != .none, let other = rotation.other else { return [] }
        var latest: [CertificateName: IssuedCertificate] = [:]
        for entry in try authority.issued() {
            // Oldest first; a clock that was set back must not hide the one that was issued last.
            if let known = latest[entry.name], known.notAfter > now, entry.notAfter <= now { continue }
            latest[entry.name] = entry
        }
        let isReady: (IssuedCertificate) -> Bool =
            switch rotation.phase {
            // Whatever was issued since the new one is there came with it. Of the same second nobody knows: that one renews once
            // more.
            case .none, .introduced: { $0.notBefore > other.notBefore }
            case .reissuing: { $0.authority == authority.certificate.keyDigest }
            }
        return latest.values.map { entry in
            Holder(
                name: entry.name, notAfter: entry.notAfter,
                prospect: entry.notAfter <= now ? .expired : isReady(entry) ? .ready : .behind)
        }.sorted { $0.name.uri < $1.name.uri }
    }

    /// Nobody trusts the CA before any more.
    ///
    /// - Parameter other: that one; of another nothing is said.
    public func settled(_ other: X509Certificate) throws(AuthorityError) {
        let authority = try CertificateAuthority.open(folder: folder)
        let rotation = try AuthorityRotation(of: authority)
        guard rotation.phase == .none, rotation.other?.keyDigest == other.keyDigest else { return }
        try AuthorityRotation.settle(authority)
    }
}
