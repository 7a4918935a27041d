import Authority
import Foundation
import Vocabulary

@testable import TLS

/// What a host without a certificate says, what an operator's clipboard holds, and certificates that nodes hand on.
struct EnrolmentSubject: Subject {
    private let credentials: Credentials
    private let identity: [UInt8]

    init() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/roost-fuzz-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let authority = try CertificateAuthority.create(folder: folder + "/ca", cluster: ClusterName("savanna"))
        _ = try authority.issue(role: .node, name: NodeName("simba"), into: folder + "/simba")
        credentials = try Credentials(folder: folder + "/simba")
        identity = credentials.chain.first ?? []
    }

    func run(_ input: [UInt8]) throws {
        guard let kind = input.first else { return }
        let rest = Array(input.dropFirst())
        switch kind % 7 {
        case 0: try body(rest)
        case 1: try request(rest)
        case 2: if let request = try? X509Request(pem: rest) { try judge(request) }
        case 3: try token(String(decoding: rest, as: UTF8.self))
        case 4: try token(Self.text(of: rest))
        case 5: try certificate(rest)
        default: try answer(rest)
        }
    }

    private func body(_ bytes: [UInt8]) throws {
        guard let request = EnrolmentRequest(body: bytes) else { return }
        try demand(Array(request.bytes.dropFirst(2)) == bytes, "a request has one form")
        try demand(
            !request.isProven(by: [UInt8](repeating: 1, count: InvitationProof.verifierBytes), binding: [1, 2, 3]),
            "nothing is proven without the secret")
        try self.request(request.request)
    }

    private func request(_ der: [UInt8]) throws {
        guard let request = try? X509Request(der: der) else { return }
        try judge(request)
    }

    private func judge(_ request: X509Request) throws {
        let again: X509Request
        do { again = try X509Request(der: request.der()) } catch {
            throw BrokenLaw("what was read can be written and read", "\(error)")
        }
        try demand(
            again.keyDigest == request.keyDigest && again.name == request.name && again.role == request.role,
            "it says the same the second time")
    }

    private func token(_ text: String) throws {
        let token: InvitationToken
        do throws(InvitationTokenError) { token = try InvitationToken(parsing: text) } catch { return }
        try demand(token.text == text, "a token has one text", token.text)
    }

    /// The text of a token with this content, its checksum right: what the checksum keeps out must not be all.
    private static func text(of content: [UInt8]) -> String {
        let sum = SHA256.digest(Array("roost token 1".utf8) + content).bytes.prefix(4)
        return InvitationToken.prefix
            + Data(content + sum).base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }

    private func certificate(_ der: [UInt8]) throws {
        if let certificate = OwnedX509(der: der)?.certificate {
            _ = try? certificate.name()
            _ = (certificate.label, certificate.notAfter, certificate.notBefore, certificate.serial)
        }
        guard let taken = try? NodeCertificate(chain: [der], trusting: credentials) else { return }
        try demand(
            der == identity && taken.name == credentials.name.name, "the CA's word alone counts", "\(taken.name)")
    }

    private func answer(_ bytes: [UInt8]) throws {
        guard let answer = try? JSONDecoder().decode(EnrolmentAnswer.self, from: Data(bytes)) else { return }
        let again = try? JSONDecoder().decode(EnrolmentAnswer.self, from: JSONEncoder().encode(answer))
        try demand(again == answer, "an answer comes back as it was")
    }

    func seeds() throws -> [[UInt8]] {
        let token = InvitationToken(
            cluster: try ClusterName("savanna"), role: .node, name: try NodeName("chui"),
            addresses: [try Endpoint(host: "10.0.0.2", port: 7667), try Endpoint(host: "::1", port: 7667)],
            pin: SHA256.digest([1]), id: [UInt8](repeating: 2, count: InvitationToken.idBytes),
            secret: [UInt8](repeating: 3, count: InvitationProof.secretBytes))
        let key = try X509PrivateKey.generate()
        let request = try X509Request.make(for: key, role: .node, name: try NodeName("chui"))
        let enrolment = try EnrolmentRequest.make(
            token: token, name: try NodeName("chui"), request: request.der(), binding: [1, 2, 3])
        let content = Data(
            base64Encoded: token.text.dropFirst(InvitationToken.prefix.count)
                .replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
                + String(repeating: "=", count: (4 - (token.text.utf8.count - 4) % 4) % 4))
        let granted = EnrolmentAnswer(
            granted: .init(
                uri: "roost://savanna/node/chui", certificate: "PEM", authorities: "PEM", join: ["10.0.0.2:7667"]))
        let refused = EnrolmentAnswer(EnrolmentRefusal.unknown)
        return [
            [0] + enrolment.bytes.dropFirst(2), [1] + (try request.der()), [2] + (try request.pem()),
            [3] + Array(token.text.utf8), [4] + [UInt8](content?.dropLast(4) ?? Data()), [5] + identity,
            [6] + [UInt8](try JSONEncoder().encode(granted)), [6] + [UInt8](try JSONEncoder().encode(refused)),
        ]
    }
}
