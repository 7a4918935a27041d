import Authority
import Client
import HTTPTypes
import Logging
import Node
import Relocation
import SWIM
import TLS
import Vocabulary

/// On the node that has the CA: sees to it that every member trusts whom it has to, and has a certificate of the CA that
/// signs now. It asks each, and has those renew that are behind: during a change of the CA all the time, else now and then,
/// for who was away.
actor AuthorityService {
    private let core: AgentCore
    private let office: AuthorityOffice
    private let certificates: CertificateService

    private var seen: [NodeName: Seen] = [:]
    private var ownFailedAt: Instant?
    /// When the last step was taken.
    private var steppedAt: Instant?

    private struct Seen {
        var certificate: API.Certificate?
        var problem: String?
        var at: Instant
    }

    init(core: AgentCore, office: AuthorityOffice, certificates: CertificateService) {
        self.core = core
        self.office = office
        self.certificates = certificates
    }

    private static let interval = (changing: Duration.seconds(2), calm: Duration.seconds(30))
    /// Members that are as they should be are asked again after so long: during a change, and else.
    private static let askedEvery = (changing: Duration.seconds(20), calm: Duration.seconds(600))
    /// The same of those that could not be asked, or did not renew.
    private static let triedEvery = (changing: Duration.seconds(2), calm: Duration.seconds(60))
    private static let lastStepFor = Duration.seconds(300)
    /// This node's own renewal, when it failed: each try is a line in the CA's log.
    private static let ownTriedEvery = Duration.seconds(60)
    /// Asked at once; each may be renewing, which takes some milliseconds of the CA.
    private static let askedAtOnce = 8

    func run() async {
        var pause = Self.interval.changing
        while !Task.isCancelled {
            do { try await Task.sleep(for: pause) } catch { return }
            guard !core.driver.read({ $0.isJoining }) else { continue }
            do {
                let rotation = try await look(again: false)
                pause = isCalm(rotation, NodeDriver.now) ? Self.interval.calm : Self.interval.changing
            } catch {
                core.log.debug("could not look after the members' certificates", metadata: ["error": "\(error)"])
            }
        }
    }

    // MARK: Asking

    private struct Wanted: Sendable {
        let issuer: String?
        let trusts: Set<String>

        init(_ rotation: AuthorityRotation) {
            issuer = rotation.issuing.keyDigest?.hex
            trusts = Set(rotation.authorities.compactMap(\.keyDigest?.hex))
        }

        func isMet(by certificate: API.Certificate) -> Bool {
            certificate.issuer == issuer && Set(certificate.trusts) == trusts
        }
    }

    /// - Parameter again: asks everybody, and takes nothing from memory.
    /// - Returns: where the change stands.
    @discardableResult
    private func look(again: Bool) async throws -> AuthorityRotation {
        let rotation = try await office.rotation()
        let wanted = Wanted(rotation)
        try await renewOwn(wanted, again)
        let members = core.driver.read { machine in
            machine.membership.members.filter { !$0.status.isDeparted && $0.name != core.name }.map(\.name)
        }
        let now = NodeDriver.now
        let isCalm = isCalm(rotation, now)
        let pause = isCalm ? Self.askedEvery.calm : Self.askedEvery.changing
        let retry = isCalm ? Self.triedEvery.calm : Self.triedEvery.changing
        let due = members.filter { name in
            guard !again, let seen = seen[name], let certificate = seen.certificate, wanted.isMet(by: certificate)
            else { return again || seen[name].map { now - $0.at >= retry } ?? true }
            return now - seen.at >= pause
        }
        var rest = due[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.askedAtOnce)
            rest = rest.dropFirst(part.count)
            await withTaskGroup(of: (NodeName, Seen).self) { group in
                for name in part { group.addTask { [core] in (name, await Self.ask(name, wanted, core)) } }
                for await (name, answer) in group { seen[name] = answer }
            }
        }
        let known = core.driver.read { $0.membership.members }
        let names = Set(known.map(\.name))
        seen = seen.filter { names.contains($0.key) }
        guard rotation.phase == .none, let other = rotation.other else { return rotation }
        // One of an earlier life that was not met yet may trust it.
        let unmet = certificates.members.saved.unmet.contains { !names.contains($0.name) }
        guard !unmet, !core.driver.read({ $0.isJoining }) else { return rotation }
        let behind = known.contains { $0.status != .left && !(certificate(of: $0.name).map(wanted.isMet) ?? false) }
        guard !behind else { return rotation }
        try await office.settled(other)
        return try await office.rotation()
    }

    /// As it was seen last.
    private func certificate(of name: NodeName) -> API.Certificate? {
        name == core.name ? certificates.overview : seen[name]?.certificate
    }

    /// The last step leaves nothing under way but that everybody follows it.
    private func isCalm(_ rotation: AuthorityRotation, _ now: Instant) -> Bool {
        rotation.phase == .none && steppedAt.map { now - $0 > Self.lastStepFor } ?? true
    }

    private func renewOwn(_ wanted: Wanted, _ again: Bool) async throws {
        guard !wanted.isMet(by: certificates.overview) else { return }
        if !again, let failed = ownFailedAt, NodeDriver.now - failed < Self.ownTriedEvery { return }
        do {
            try await certificates.renewNow()
            ownFailedAt = nil
        } catch {
            ownFailedAt = NodeDriver.now
            core.log.warning("could not renew this node's certificate", metadata: ["error": "\(error)"])
            throw error
        }
    }

    private static func ask(_ name: NodeName, _ wanted: Wanted, _ core: AgentCore) async -> Seen {
        do {
            var certificate = try await core.calls.certificate(of: name)
            if !wanted.isMet(by: certificate) { certificate = try await core.calls.askToRenew(name) }
            return Seen(certificate: certificate, at: NodeDriver.now)
        } catch {
            core.log.debug("a member has not renewed", metadata: ["member": "\(name)", "error": "\(error)"])
            return Seen(problem: "\(error)".printable(max: 200), at: NodeDriver.now)
        }
    }

    // MARK: Looking in, and going on

    /// `GET /v1/ca`
    func overview() async throws -> API.Authority {
        do {
            return try await describe(look(again: false))
        } catch let error as AuthorityError {
            throw APIError(error)
        }
    }

    /// Takes one step, if it leaves nobody behind but those named.
    ///
    /// - Throws: `APIError`: 409 `not_ready` with those who would be left behind, or have not come to the end of the change
    ///   before; 409 `not_the_step`.
    func take(_ step: AuthorityOffice.RotationStep, without: Set<String>) async throws -> API.Authority {
        do {
            let present = try await describe(look(again: true))
            // To begin, and to take back what was begun, nobody has to be ready; but the change before is to be over.
            switch step {
            case .reissue, .retire: try Self.check(present, without, "would be left behind")
            case .introduce where present.phase == AuthorityRotation.Phase.none.rawValue && present.other != nil:
                try Self.check(present, without, "may still trust the CA before this one")
            case .introduce, .abandon: break
            }
            guard try await office.rotate(step) else {
                throw APIError(
                    .conflict, code: "not_the_step",
                    "\(step.rawValue) is not what comes next: the change stands at "
                        + present.phase, hint: "roost ca status shows where it stands")
            }
            core.log.notice("the cluster's CA changes", metadata: ["step": "\(step.rawValue)"])
            steppedAt = NodeDriver.now
            return try await describe(look(again: false))
        } catch let error as AuthorityError {
            throw APIError(error)
        } catch let error as RenewalError {
            throw APIError.unavailable("\(error)", code: "unable", retryAfterSeconds: 5)
        }
    }

    private static func check(
        _ present: API.Authority, _ without: Set<String>, _ what: String
    ) throws(APIError) {
        let members = present.members.filter { !$0.ready && !without.contains($0.name) }
            .map { member in member.problem.map { "\(member.name) (\($0))" } ?? member.name }
        let users = present.users.filter { !without.contains($0.name) }.map { "\($0.role) \($0.name)" }
        guard members.isEmpty, users.isEmpty else {
            let names = (members + users).prefix(20).joined(separator: ", ")
            throw APIError(
                .conflict, code: "not_ready", "\(what): \(names)".printable(max: 1_000),
                hint: "members renew by themselves when they are there, users with roost renew; "
                    + "--without NAME leaves one behind, for a new certificate later; "
                    + "a node that never comes back is forgotten (roost forget) or revoked (roost revoke)")
        }
    }

    private func describe(_ rotation: AuthorityRotation) async throws -> API.Authority {
        let wanted = Wanted(rotation)
        let holders = try await office.holders().filter { !core.revoked.contains($0.name) }
        let (all, forgotten) = core.driver.read { ($0.membership.members, $0.tombstones.acquaintances.struck) }
        let members = all.filter { $0.status != .left }.map { member in
            let isReady = certificate(of: member.name).map(wanted.isMet) ?? false
            return API.Authority.Member(
                name: member.name.text, state: API.MemberState(rawValue: member.status.rawValue) ?? .alive,
                ready: isReady,
                problem: isReady ? nil : member.status == .crashed ? "it is away" : seen[member.name]?.problem)
        }
        let gone = rotation.phase == .none ? [] : goneBehind(holders, wanted, all, forgotten: Set(forgotten.keys))
        let users = holders.filter { $0.name.role != .node && $0.prospect == .behind }.map { holder in
            API.Authority.User(
                name: holder.name.name.text, role: holder.name.role.rawValue,
                expires: API.Timestamp.text(unixSeconds: holder.notAfter))
        }
        return API.Authority(
            phase: rotation.phase.rawValue, issuing: Self.signer(rotation.issuing),
            other: rotation.other.map(Self.signer), members: members + gone, users: users,
            ready: users.isEmpty && gone.isEmpty && members.allSatisfy(\.ready))
    }

    /// Nodes that can not be asked because they are no members now, whom the next step would keep from coming back: a host
    /// that is stopped has left, and after a week the list of members is rid of it. The log has what they were given.
    private func goneBehind(
        _ holders: [AuthorityOffice.Holder], _ wanted: Wanted, _ members: [Member], forgotten: Set<NodeName>
    ) -> [API.Authority.Member] {
        let known = Dictionary(members.map { ($0.name, $0.status) }, uniquingKeysWith: { first, _ in first })
        var behind: [NodeName: String] = [:]
        // One that the log does not know has its certificate from elsewhere, and of that nothing is known.
        for member in members where member.status == .left && !core.revoked.contains(node: member.name) {
            guard !(seen[member.name]?.certificate.map(wanted.isMet) ?? false) else { continue }
            behind[member.name] = "it left before it renewed"
        }
        for holder in holders where holder.name.role == .node {
            let name = holder.name.name
            switch (holder.prospect, known[name]) {
            case (.ready, _), (.expired, _): behind[name] = nil
            case (.behind, nil) where !forgotten.contains(name):
                let end = API.Timestamp.text(unixSeconds: holder.notAfter)
                behind[name] = "it is no member, and has a certificate until \(end)"
            case (.behind, _): break
            }
        }
        return behind.sorted { $0.key < $1.key }
            .map { API.Authority.Member(name: $0.key.text, state: .left, ready: false, problem: $0.value) }
    }

    private static func signer(_ certificate: X509Certificate) -> API.Authority.Signer {
        API.Authority.Signer(
            key: certificate.keyDigest?.hex ?? "", subject: certificate.subject,
            expires: API.Timestamp.text(unixSeconds: certificate.notAfter))
    }
}
