import Foundation
import TLS
import Vocabulary

/// A host's way to its first certificate: its key, one call, three files.
public struct Enrolment: Sendable {
    /// What the issuer said.
    public struct Refused: Error, Hashable, Sendable {
        public let code: String
        public let message: String
        public let hint: String?
    }

    /// Why this host has no certificate yet.
    public enum Failure: Error, Hashable, Sendable {
        case unreachable(String)
        case busy(String)
        /// Whoever answered is not of the token's CA.
        case stranger(String)
        case failed(String)
        case refused(Refused)
    }

    let token: InvitationToken
    let name: NodeName
    /// Where `ca.pem`, `cert.pem` and `key.pem` go.
    let folder: String

    public init(token: InvitationToken, name: NodeName, folder: String) {
        self.token = token
        self.name = name
        self.folder = CertificateAuthority.normal(folder)
    }

    /// The key of an enrolment under way. It stays when the answer is lost: the next try with the same token must come
    /// with the same key, to get what that was given.
    private var keyPath: String {
        "\(DurableFiles.parent(of: folder))/.roost-enroll-\(Hexadecimal.text(token.id)).key.pem"
    }

    /// - Throws: `AuthorityError` or `Failure`. Until it returns, nothing is in the folder.
    public func run() throws -> EnrolmentAnswer.Granted {
        do { return try perform() } catch let error as EnrolmentCallError {
            switch error {
            case .unreachable, .notAnIssuer, .brokenOff: throw Failure.unreachable("\(error)")
            case .busy: throw Failure.busy("\(error)")
            case .wrongAuthority: throw Failure.stranger("\(error)")
            case .crypto: throw Failure.failed("\(error)")
            }
        } catch let error as X509Error {
            throw Failure.failed(error.description)
        } catch let error as TLSError {
            throw Failure.failed(error.description)
        }
    }

    private func perform() throws -> EnrolmentAnswer.Granted {
        for file in ["key.pem", "cert.pem", "ca.pem"] where DurableFiles.exists("\(folder)/\(file)") {
            throw AuthorityError.exists(path: "\(folder)/\(file)")
        }
        let key = try ownKey()
        let request = try X509Request.make(for: key, role: token.role, name: name).der()
        let granted = try ask(request)
        let named = CertificateName(cluster: token.cluster, role: token.role, name: name)
        try CertificateSet(
            key: key, name: named, certificate: Array(granted.certificate.utf8),
            authorities: Array(granted.authorities.utf8), signers: [token.pin]
        ).write(into: folder)
        try? FileManager.default.removeItem(atPath: keyPath)
        return granted
    }

    private func ownKey() throws -> X509PrivateKey {
        if DurableFiles.exists(keyPath) { return try X509PrivateKey(pem: DurableFiles.read(keyPath).bytes) }
        let key = try X509PrivateKey.generate()
        let parent = DurableFiles.parent(of: keyPath)
        _ = try DurableFiles.makeFolders(parent)
        try DurableFiles.create(keyPath, key.pem(), mode: 0o600, shown: keyPath)
        try DurableFiles.sync(folder: parent)
        return key
    }

    /// Each address in turn, until one has had its say. Who is not of the token's CA had none, and is passed over: the
    /// first such is told when no other answers.
    private func ask(_ request: [UInt8]) throws -> EnrolmentAnswer.Granted {
        var first: EnrolmentCallError?
        for address in token.addresses {
            do {
                let call = try EnrolmentCall(to: address, pin: token.pin, cluster: token.cluster)
                let asked: EnrolmentRequest
                do throws(TLSError) {
                    asked = try EnrolmentRequest.make(token: token, name: name, request: request, binding: call.binding)
                } catch {
                    throw EnrolmentCallError.crypto("\(error)")
                }
                let bytes = try call.exchange(asked.bytes)
                guard let answer = try? JSONDecoder().decode(EnrolmentAnswer.self, from: Data(bytes)) else {
                    throw EnrolmentCallError.brokenOff(address, reason: "its answer can not be read")
                }
                if let granted = answer.granted { return granted }
                let refused = answer.refused
                // The token will never be good for this key: nothing is left to try again with.
                let final = ["unknown_invitation", "invitation_expired", "invitation_revoked", "invitation_used"]
                if let code = refused?.code, final.contains(code) {
                    try? FileManager.default.removeItem(atPath: keyPath)
                }
                throw Failure.refused(
                    Refused(
                        code: refused?.code ?? "unable", message: refused?.message ?? "no reason was given",
                        hint: refused?.hint))
            } catch let error as EnrolmentCallError {
                if first == nil { first = error }
            }
        }
        throw first ?? EnrolmentCallError.crypto("the token names no address")
    }
}
