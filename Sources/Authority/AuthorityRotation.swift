import TLS
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// One CA gives way to another, in three steps that the folder itself remembers:
///
/// 1. introduced: `next.key.pem` is there, and `ca.pem` holds both. The present one signs; everybody learns to trust both.
/// 2. reissuing: `next.key.pem` has become `ca.key.pem`, the old one is `previous.key.pem`. Everybody gets a certificate
///    of the new one, and trusts both.
/// 3. done: `ca.pem` holds the new one alone, and the old one's key is gone. `retired.pem` has its certificate until nobody
///    trusts it: till then another change would be a second one over the first.
///
/// Each step is one rename, and what is made ready or removed around it: whatever a power cut leaves is the step before or the
/// step after.
public struct AuthorityRotation: Sendable {
    public enum Phase: String, Sendable, Codable {
        case none, introduced, reissuing
    }

    static let nextKeyFile = "next.key.pem"
    static let previousKeyFile = "previous.key.pem"
    static let retiredFile = "retired.pem"

    public let phase: Phase
    /// Signs now.
    public let issuing: X509Certificate
    /// The one to come, or the one before. In `none` the one that has gone or was taken back, while some trust it still.
    public let other: X509Certificate?
    /// What everybody has to trust now: `ca.pem`.
    public let authorities: [X509Certificate]

    init(of authority: CertificateAuthority) throws(AuthorityError) {
        let folder = authority.folder
        do throws(X509Error) { authorities = try X509Certificate.all(pem: authority.trusted) } catch {
            throw .crypto(error)
        }
        issuing = authority.certificate
        let next = try Self.certificate(of: Self.nextKeyFile, in: folder, among: authorities)
        // While the keys change places, it is for a moment the present one's second name.
        let previous = try Self.certificate(of: Self.previousKeyFile, in: folder, among: authorities)
            .flatMap { $0.keyDigest == authority.certificate.keyDigest ? nil : $0 }
        phase = previous != nil ? .reissuing : next != nil ? .introduced : .none
        other = previous ?? next ?? Self.retired(in: folder)
    }

    /// Of no use for anything but to wait for those who trust it: one that can not be read must not stop the CA.
    private static func retired(in folder: String) -> X509Certificate? {
        (try? DurableFiles.read("\(folder)/\(retiredFile)").bytes).flatMap { try? X509Certificate(pem: $0) }
    }

    private static func certificate(
        of keyFile: String, in folder: String, among authorities: [X509Certificate]
    ) throws(AuthorityError) -> X509Certificate? {
        guard let key = try key(keyFile, in: folder) else { return nil }
        return authorities.first { $0.matches(key) }
    }

    private static func key(_ file: String, in folder: String) throws(AuthorityError) -> X509PrivateKey? {
        let path = "\(folder)/\(file)"
        guard DurableFiles.exists(path) else { return nil }
        let bytes = try DurableFiles.read(path).bytes
        do throws(X509Error) { return try X509PrivateKey(pem: bytes) } catch {
            throw .notAnAuthority(path: path, reason: error.description)
        }
    }

    // MARK: The steps

    /// Makes the CA to come. Its life begins now, and is as long as any new one's.
    static func introduce(_ authority: CertificateAuthority, now: Int64) throws(AuthorityError) {
        let folder = authority.folder
        let keyPath = "\(folder)/\(nextKeyFile)"
        let times = try CertificateAuthority.period(CertificateAuthority.defaultValidity, from: now, until: .max)
        // Of a retirement that a cut has left unfinished.
        try remove(previousKeyFile, in: folder)
        try remove(retiredFile, in: folder)
        let next: X509PrivateKey
        if let made = try key(nextKeyFile, in: folder) {
            next = made
        } else {
            let pem: [UInt8]
            do throws(X509Error) {
                next = try .generate()
                pem = try next.pem()
            } catch {
                throw .crypto(error)
            }
            try DurableFiles.replace(keyPath, pem, mode: 0o600)
        }
        let bytes: [UInt8]
        do throws(X509Error) {
            let made = try X509Template.authority(authority.cluster)
                .sign(for: next, by: nil, notBefore: times.notBefore, notAfter: times.notAfter)
            bytes = try authority.trusted + made.pem()
        } catch {
            throw .crypto(error)
        }
        try DurableFiles.replace("\(folder)/\(CertificateAuthority.certificateFile)", bytes, mode: 0o644)
    }

    /// The one to come signs from now on.
    static func reissue(_ authority: CertificateAuthority) throws(AuthorityError) {
        let folder = authority.folder
        let (present, previous) = ("\(folder)/\(CertificateAuthority.keyFile)", "\(folder)/\(previousKeyFile)")
        // First a second name for the old key, so that no cut leaves it with none.
        let old = try DurableFiles.read(present)
        try DurableFiles.replace(previous, old.bytes, mode: 0o600)
        guard rename("\(folder)/\(nextKeyFile)", present) == 0 else {
            throw .cannotWrite(path: present, reason: .init(errno: errno))
        }
        try DurableFiles.sync(folder: folder)
    }

    /// The one before is trusted no more, and its key is gone.
    static func retire(_ authority: CertificateAuthority) throws(AuthorityError) {
        let other = try AuthorityRotation(of: authority).other
        let (bytes, retired): ([UInt8], [UInt8]?)
        do throws(X509Error) { (bytes, retired) = (try authority.certificate.pem(), try other?.pem()) } catch {
            throw .crypto(error)
        }
        if let retired { try DurableFiles.replace("\(authority.folder)/\(retiredFile)", retired, mode: 0o644) }
        try DurableFiles.replace("\(authority.folder)/\(CertificateAuthority.certificateFile)", bytes, mode: 0o644)
        try remove(previousKeyFile, in: authority.folder)
    }

    /// The one that has gone is trusted by nobody.
    static func settle(_ authority: CertificateAuthority) throws(AuthorityError) {
        try remove(retiredFile, in: authority.folder)
    }

    /// The one to come does not come.
    static func abandon(_ authority: CertificateAuthority) throws(AuthorityError) {
        try retire(authority)
        try remove(nextKeyFile, in: authority.folder)
    }

    private static func remove(_ file: String, in folder: String) throws(AuthorityError) {
        let path = "\(folder)/\(file)"
        guard unlink(path) == 0 || errno == ENOENT else { throw .cannotWrite(path: path, reason: .init(errno: errno)) }
        try DurableFiles.sync(folder: folder)
    }
}
