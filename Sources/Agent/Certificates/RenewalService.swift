import Authority
import Client
import Logging
import NIOConcurrencyHelpers
import Node
import SWIM
import TLS
import Vocabulary

/// Why this node has no newer certificate.
enum RenewalError: Error, Hashable, CustomStringConvertible {
    /// No member has the CA.
    case noIssuer
    case refused(String)

    var description: String {
        switch self {
        case .noIssuer: "no member has the CA"
        case .refused(let reason): reason
        }
    }
}

/// Gets this node a certificate for a new key, from a member that has the CA or from its own: one at a time.
actor RenewalService {
    nonisolated let own: OwnCertificates
    private let core: AgentCore
    /// On a node that has the CA.
    private let office: AuthorityOffice?
    private var underWay: Task<Void, any Error>?
    /// Who renewed it last time.
    private var issuer: NodeName?
    private nonisolated let counts = NIOLockedValueBox(Counts())

    struct Counts: Sendable, Hashable {
        var renewed: UInt64 = 0
        var failed: UInt64 = 0
    }

    nonisolated var figures: Counts { counts.withLockedValue { $0 } }

    init(core: AgentCore, office: AuthorityOffice?) {
        self.core = core
        self.office = office
        own = OwnCertificates(core.settings)
    }

    /// Members asked in one try. One of them has the CA, and is remembered; a cluster that has none is asked through
    /// once an hour.
    private static let askedMax = 64

    /// Whoever comes while one is under way has its end.
    ///
    /// - Throws: `RenewalError`, `AuthorityError`.
    func renew(asking first: NodeName?) async throws {
        if let underWay { return try await underWay.value }
        let task = Task { try await self.carryOut(first) }
        underWay = task
        defer { underWay = nil }
        do {
            try await task.value
            counts.withLockedValue { $0.renewed &+= 1 }
        } catch {
            if error as? RenewalError != .noIssuer { counts.withLockedValue { $0.failed &+= 1 } }
            throw error
        }
    }

    private func carryOut(_ first: NodeName?) async throws {
        let renewal = try Renewal(of: core.credentials.context.credentials)
        let answer: API.Renewed
        if let office {
            answer = API.Renewed(
                try await office.renew(renewal.request, of: renewal.name, present: renewal.present))
        } else {
            let texts = try renewal.texts()
            answer = try await self.answer(to: .init(request: texts.request, present: texts.present), first)
        }
        try own.keep(try renewal.take(certificate: answer.certificate, authorities: answer.authorities))
    }

    private func answer(to ask: API.RenewRequest, _ first: NodeName?) async throws -> API.Renewed {
        var refusal: RenewalError?
        let me = core.name
        let others = core.driver.read { machine in
            machine.membership.members.filter { $0.name != me && !$0.status.isDeparted }.map(\.name)
        }
        var asked: Set<NodeName> = []
        let order = [first, issuer].compactMap { $0 }.filter(others.contains) + others.shuffled()
        for node in order where asked.count < Self.askedMax && asked.insert(node).inserted {
            do {
                let answer = try await core.calls.renew(ask, from: node)
                issuer = node
                return answer
            } catch PeerCallError.refused(_, _, _, let body) where body.error.code == API.Renewed.noAuthorityCode {
                continue
            } catch {
                // Most likely it is not the one that has the CA.
                if refusal == nil || node == first || node == issuer { refusal = .refused("\(node): \(error)") }
            }
        }
        throw refusal ?? .noIssuer
    }
}

extension API.Renewed {
    init(_ signed: CertificateAuthority.Signed) {
        self.init(
            certificate: String(decoding: signed.certificate, as: UTF8.self),
            authorities: String(decoding: signed.authorities, as: UTF8.self))
    }
}
