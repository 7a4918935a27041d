import TLS
import Vocabulary

extension AuthorityOffice {
    public enum RotationStep: String, Sendable, Codable, CaseIterable {
        case introduce, reissue, retire, abandon
    }

    /// A user of the cluster whose newest certificate is not of use after the next step. Nodes are not among them: they
    /// are asked.
    public struct Holder: Sendable, Hashable {
        public let name: CertificateName
        /// Seconds since 1970.
        public let notAfter: Int64
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

    /// Users, by what was issued, who would be cut off by the next step: before the new CA signs, those who do not trust
    /// it; before the old one goes, those whose certificate it signed.
    public func usersLeftBehind(now: Int64 = Timestamp.now) throws(AuthorityError) -> [Holder] {
        let authority = try CertificateAuthority.open(folder: folder)
        let rotation = try AuthorityRotation(of: authority)
        guard let other = rotation.other else { return [] }
        var latest: [CertificateName: IssuedCertificate] = [:]
        for entry in try authority.issued() where entry.name.role != .node && entry.notAfter > now {
            // Oldest first; a clock that was set back must not hide the one that was issued last.
            latest[entry.name] = entry
        }
        let isReady: (IssuedCertificate) -> Bool =
            switch rotation.phase {
            // Whatever was issued since the new one is there came with it. Of the same second nobody knows: that one renews once
            // more.
            case .none, .introduced: { $0.notBefore > other.notBefore }
            case .reissuing: { $0.authority == authority.certificate.keyDigest }
            }
        return latest.values.filter { !isReady($0) }.map { Holder(name: $0.name, notAfter: $0.notAfter) }
            .sorted { $0.name.uri < $1.name.uri }
    }
}
