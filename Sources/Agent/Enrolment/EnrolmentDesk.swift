import Authority
import Client
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Node
import SWIM
import TLS
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The CA's counter, on the node that has it: which hosts without a certificate are attended to, and what they are told;
/// and who may renew.
final class EnrolmentDesk: Sendable {
    /// Members that a new one is told to join through.
    private static let joinMax = 8

    let office: AuthorityOffice
    private let renewals = NIOLockedValueBox(RenewalThrottle())
    private let throttle = NIOLockedValueBox(EnrolmentThrottle(now: .now()))
    private let standing: @Sendable (CertificateName) -> AuthorityOffice.Standing
    private let addresses: @Sendable () -> [Endpoint]
    private let log: Logger

    /// - Parameters:
    ///   - standing: what the cluster knows of a name.
    ///   - addresses: of members, this one first.
    init(
        office: AuthorityOffice, log: Logger,
        standing: @escaping @Sendable (CertificateName) -> AuthorityOffice.Standing,
        addresses: @escaping @Sendable () -> [Endpoint]
    ) {
        self.office = office
        self.log = log
        self.standing = standing
        self.addresses = addresses
    }

    convenience init(folder: String, box: CoreBox, revoked: RevocationList, log: Logger) {
        self.init(
            office: AuthorityOffice(folder: folder), log: log,
            standing: { name in
                // Until the agent has started it knows of no member, and can vouch for no name to be free.
                guard let core = try? box.parts.core else { return .init(isMember: true, isRevoked: false) }
                let isMember =
                    name.role == .node && core.driver.read { $0.membership.member(name.name) } != nil
                return .init(isMember: isMember, isRevoked: revoked.contains(name))
            },
            addresses: {
                guard let core = try? box.parts.core else { return [] }
                return core.driver.read { machine in
                    let others = machine.membership.members.filter { $0.name != core.name && !$0.status.isDeparted }
                    return [machine.membership.oneself.endpoint] + others.map(\.endpoint)
                }
            })
    }

    func admit(_ source: EnrolmentSource) -> Bool {
        throttle.withLockedValue { $0.admit(source.key, at: .now()) }
    }

    /// Whether that name may get another certificate now.
    func admitsRenewal(of name: CertificateName) -> Bool { renewals.withLockedValue { $0.admit(name, at: .now()) } }

    func leave(_ source: EnrolmentSource, succeeded: Bool) {
        throttle.withLockedValue { $0.leave(source.key, succeeded: succeeded) }
    }

    /// The answer to one request, framed, and whether it was granted.
    func answer(_ body: [UInt8], binding: [UInt8], source: EnrolmentSource) async -> (bytes: [UInt8], granted: Bool) {
        let answer: EnrolmentAnswer
        if let request = EnrolmentRequest(body: body) {
            do {
                let signed = try await office.redeem(
                    request, binding: binding, source: source.address, standing: standing)
                log.notice(
                    "gave a host its certificate",
                    metadata: [
                        "name": "\(signed.entry.name)", "serial": "\(signed.entry.serial)", "from": "\(source.key)",
                    ])
                answer = EnrolmentAnswer(
                    granted: .init(
                        uri: signed.entry.name.uri, certificate: String(decoding: signed.certificate, as: UTF8.self),
                        authorities: String(decoding: signed.authorities, as: UTF8.self),
                        join: addresses().prefix(Self.joinMax).map(\.description)))
            } catch {
                tell(error, source)
                answer = EnrolmentAnswer(error)
            }
        } else {
            answer = EnrolmentAnswer(.badRequest("it can not be read"))
        }
        let json = (try? API.JSON.encode(answer)) ?? []
        var writer = ByteWriter(capacity: json.count + 4)
        writer.write(UInt32(clamping: json.count))
        writer.write(raw: json)
        return (writer.bytes, answer.granted != nil)
    }

    /// What strangers get wrong is everyday; only who holds an invitation can write a line into the log.
    private func tell(_ refusal: EnrolmentRefusal, _ source: EnrolmentSource) {
        switch refusal {
        case .unknown: log.debug("refused to enrol a host", metadata: ["from": "\(source.key)"])
        case .expired, .revoked, .used, .nameNeeded, .nameIsBound, .nameTaken, .nameRevoked, .badRequest, .unable:
            log.warning(
                "refused to enrol a host",
                metadata: ["from": "\(source.key)", "reason": "\(refusal.message.prefix(400))"])
        }
    }
}

/// Where a host calls from: its address, and what it is counted by.
struct EnrolmentSource: Sendable, Hashable {
    /// For its certificate; nil over anything but IP.
    let address: String?
    /// An IPv6 network of 64 bits is one source: a host picks the rest as it likes.
    let key: String

    init(_ remote: SocketAddress?) {
        guard let remote, let text = remote.ipAddress else {
            (address, key) = (nil, "unknown")
            return
        }
        switch remote {
        case .v6:
            var bytes = [UInt8](repeating: 0, count: 16)
            guard inet_pton(AF_INET6, text, &bytes) == 1 else {
                (address, key) = (nil, text)
                return
            }
            // An IPv4 caller of an IPv6 socket (RFC 4291 §2.5.5.2).
            if bytes.prefix(12).elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]) {
                let four = bytes.suffix(4).map(String.init).joined(separator: ".")
                (address, key) = (four, four)
            } else {
                (address, key) = (text, "\(bytes.prefix(8))")
            }
        case .v4, .unixDomainSocket: (address, key) = (text, text)
        }
    }
}
