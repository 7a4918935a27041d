import TLS
import Vocabulary

/// Why the CA did not do what it was asked. Nothing was left behind on the disk in any of these cases.
public enum AuthorityError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A file of that name is there already; it is left as it was.
    case exists(path: String)
    /// An earlier attempt was cut off (a kill, a power cut) between the names of one set.
    case incomplete(folder: String, files: [String])
    /// The system refused; `errno` and its text say why.
    case cannotRead(path: String, reason: SystemReason)
    case cannotWrite(path: String, reason: SystemReason)
    /// The folder holds no CA at all.
    case noAuthority(folder: String)
    /// `ca.pem` or `ca.key.pem` is there but is no CA of ours.
    case notAnAuthority(path: String, reason: String)
    /// Others may read or change the CA's key.
    case exposedKey(path: String, mode: UInt16)
    /// The CA's own certificate is past its end (seconds since 1970).
    case expired(path: String, notAfter: Int64)
    /// Another process holds the CA's log for longer than the wait.
    case busy(path: String)
    /// DNS names and addresses belong to nodes, which are called; others only call.
    case addressesNeedNode(role: Role)
    case tooManyAddresses(count: Int, max: Int)
    /// A DNS name or an IP address that a certificate can not carry.
    case badAddress(reason: String)
    case badValidity(reason: String)
    case tooManyInvitations(max: Int)
    /// To a host that came to enrol.
    case refused(EnrolmentRefusal)
    case crypto(X509Error)

    public var description: String {
        switch self {
        case .exists(let path):
            "\(path) exists and is never overwritten: choose another folder, or move that file away first"
        case .incomplete(let folder, let files):
            "an earlier attempt was cut off while it wrote into \(folder): remove \(files.joined(separator: ", ")) "
                + "there, which belong to no whole set, and try again"
        case .cannotRead(let path, let reason):
            "cannot read \(path): \(reason); \(reason.remedy)"
        case .cannotWrite(let path, let reason):
            "cannot write \(path): \(reason); \(reason.remedy)"
        case .noAuthority(let folder):
            "there is no CA in \(folder): create one with `roost ca init \(folder) --cluster NAME`"
        case .notAnAuthority(let path, let reason):
            "\(path) can not issue certificates for a cluster: \(reason); "
                + "create a CA with `roost ca init`, or see certs/README.md for a CA of your own"
        case .exposedKey(let path, let mode):
            "\(path) has mode \(octal(mode)), so others on this host can use the CA's key: "
                + "run `chmod 600 \(path)`, and if somebody may have read it, create a new CA"
        case .expired(let path, let notAfter):
            "the CA in \(path) expired at \(Timestamp.text(notAfter)): create a new CA and issue every certificate again"
        case .busy(let path):
            "another process keeps \(path) locked: wait for the other `roost ca` to end and try again"
        case .addressesNeedNode(let role):
            "an IP address or DNS name in a certificate is for nodes, not for the role \(role.rawValue): leave it out"
        case .tooManyAddresses(let count, let max):
            "\(count) addresses and DNS names are more than the \(max) that one certificate may carry"
        case .badAddress(let reason):
            reason
        case .badValidity(let reason):
            "the validity asked for is not possible: \(reason)"
        case .tooManyInvitations(let max):
            "there are \(max) open invitations already: revoke some (`roost invite revoke`), or wait until they expire"
        case .refused(let refusal):
            refusal.message
        case .crypto(let error):
            error.description
        }
    }

    private func octal(_ mode: UInt16) -> String {
        let digits = String(mode & 0o7777, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
