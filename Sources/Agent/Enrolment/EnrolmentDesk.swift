import Authority
import Client
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Node
import SWIM
import TLS
import Vocabulary

/// The CA's counter, on the node that has it: which hosts without a certificate are attended to, and what they are told;
/// and who may renew.
final class EnrolmentDesk: Sendable {
    /// Members that a new one is told to join through.
    private static let joinMax = 8

    let office: AuthorityOffice
    private let renewals = NIOLockedValueBox(RenewalThrottle())
    private let counter: NIOLockedValueBox<Counter>
    private let standing: @Sendable (CertificateName) -> AuthorityOffice.Standing
    private let addresses: @Sendable () -> [Endpoint]
    private let log: Logger

    private struct Counter {
        var register: StrangerRegister
        var next: UInt64 = 1
        /// The connections that have a place: each may have to give way.
        var channels: [UInt64: any Channel] = [:]
    }

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
        counter = NIOLockedValueBox(Counter(register: StrangerRegister(bounds: .enrolments, now: .now())))
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

    /// Tries that have a place now.
    var underWay: Int { counter.withLockedValue { $0.register.underWay } }

    /// Takes a place for a connection, where none is left that of one which has kept silent: that one is closed.
    ///
    /// - Returns: what the place is given back with; nil when there is none.
    func admit(_ channel: any Channel, from source: CallSource) -> UInt64? {
        let (id, instead): (UInt64?, (any Channel)?) = counter.withLockedValue { counter in
            let id = counter.next
            let decision = counter.register.begin(id, from: source.key, at: .now())
            if case .refused = decision { return (nil, nil) }
            counter.next += 1
            counter.channels[id] = channel
            guard case .admittedInPlace(let old) = decision else { return (id, nil) }
            return (id, counter.channels.removeValue(forKey: old))
        }
        instead?.close(mode: .all, promise: nil)
        return id
    }

    /// The request of who has this place is whole: from now on it waits for the desk.
    func requestCame(_ id: UInt64) { counter.withLockedValue { $0.register.spoke(id) } }

    /// Whether that name may get another certificate now.
    func admitsRenewal(of name: CertificateName) -> Bool { renewals.withLockedValue { $0.admit(name, at: .now()) } }

    func leave(_ id: UInt64, succeeded: Bool) {
        counter.withLockedValue { counter in
            counter.channels[id] = nil
            counter.register.ended(id, succeeded: succeeded, at: .now())
        }
    }

    /// The answer to one request, framed, and whether it was granted.
    func answer(_ body: [UInt8], binding: [UInt8], source: CallSource) async -> (bytes: [UInt8], granted: Bool) {
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
    private func tell(_ refusal: EnrolmentRefusal, _ source: CallSource) {
        switch refusal {
        case .unknown: log.debug("refused to enrol a host", metadata: ["from": "\(source.key)"])
        case .expired, .revoked, .used, .nameNeeded, .nameIsBound, .nameTaken, .nameRevoked, .badRequest, .unable:
            log.warning(
                "refused to enrol a host",
                metadata: ["from": "\(source.key)", "reason": "\(refusal.message.prefix(400))"])
        }
    }
}
