import Vocabulary

/// What is wrong with a certificate, whoever's it is. Times are Unix seconds.
public enum CertificateFault: Hashable, Sendable, CustomStringConvertible {
    /// None was sent.
    case missing
    /// Its chain does not end at this cluster's CA.
    case untrusted(issuer: String)
    case expired(at: Int64)
    /// A certificate above it, of the CA, is past its end, and with it all that the CA issued.
    case authorityExpired(String, at: Int64)
    case notYetValid(before: Int64)
    /// No URI name at all.
    case noName
    /// More than one URI name: it would be anyone's choice who this is.
    case severalNames([String])
    /// One URI name, not of the form `roost://CLUSTER/ROLE/NAME`.
    case notAName(String)
    case wrongCluster(CertificateName, expected: ClusterName)
    case wrongRole(CertificateName, expected: Role)
    /// A valid node of this cluster, and another than the one we called.
    case wrongNode(called: NodeName, answered: NodeName)
    /// Its extended key usage does not allow what it was used for.
    case wrongPurpose
    /// Anything else that X.509 path validation refuses, in OpenSSL's words.
    case invalid(String)

    public var description: String {
        switch self {
        case .missing: "none was sent; present a certificate of this cluster (--certs DIR, curl --cert and --key)"
        case .untrusted(let issuer):
            "it was issued by \(issuer), which is not this cluster's CA; have it issued by the CA in ca.pem"
        case .expired(let at): "it expired at \(RFC3339.text(at)); issue a new one"
        case .authorityExpired(let subject, let at):
            "the CA \(subject) expired at \(RFC3339.text(at)); create a new CA and issue every certificate again"
        case .notYetValid(let before):
            "it is not valid before \(RFC3339.text(before)); wait, or check the clocks of both hosts"
        case .noName: "it carries no URI name; it needs exactly one, roost://CLUSTER/ROLE/NAME"
        case .severalNames(let names):
            "it carries \(names.count) URI names (\(names.prefix(4).map(Printable.cut).joined(separator: ", "))); exactly one is allowed"
        case .notAName(let text): "its URI name \(Printable.cut(text)) is not of the form roost://CLUSTER/ROLE/NAME"
        case .wrongCluster(let name, let expected):
            "it is \(name), of the cluster \(name.cluster); this is the cluster \(expected)"
        case .wrongRole(let name, let expected):
            "it is \(name), of the role \(name.role.rawValue), not \(expected.rawValue)"
        case .wrongNode(let called, let answered):
            "called \(called), but \(answered) answered; check the address that \(called) is known by"
        case .wrongPurpose:
            "its extended key usage does not allow this; nodes need serverAuth and clientAuth, others clientAuth"
        case .invalid(let text): "it is not valid: \(text)"
        }
    }
}

/// Text of others, fit to be shown.
enum Printable {
    /// At most 120 characters, control characters replaced: certificates are written by anyone.
    static func cut(_ text: String) -> String {
        let shown = text.unicodeScalars.prefix(120).map { scalar in
            scalar.properties.generalCategory == .control ? "?" : String(scalar)
        }
        return "\"\(shown.joined())\(text.unicodeScalars.count > 120 ? "…" : "")\""
    }
}
