import Authority
import Client
import HTTPTypes
import Logging
import Node
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
        let known = Set(core.driver.read { $0.membership.members.map(\.name) })
        seen = seen.filter { known.contains($0.key) }
        return rotation
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
    /// - Throws: `APIError`: 409 `not_ready` with those who would be left behind; 409 `not_the_step`.
    func take(_ step: AuthorityOffice.RotationStep, without: Set<String>) async throws -> API.Authority {
        do {
            let present = try await describe(look(again: true))
            // To begin, and to take back what was begun, nobody has to be ready.
            if [.reissue, .retire].contains(step) { try Self.check(present, without) }
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

    private static func check(_ present: API.Authority, _ without: Set<String>) throws(APIError) {
        let members = present.members.filter { !$0.ready && !without.contains($0.name) }.map(\.name)
        let users = present.users.filter { !without.contains($0.name) }.map { "\($0.role) \($0.name)" }
        guard members.isEmpty, users.isEmpty else {
            let names = (members + users).prefix(20).joined(separator: ", ")
            throw APIError(
                .conflict, code: "not_ready", "would be left behind: \(names)".printable(max: 1_000),
                hint: "members renew by themselves when they are there, users with roost renew; "
                    + "--without NAME leaves one behind, for a new certificate later")
        }
    }

    private func describe(_ rotation: AuthorityRotation) async throws -> API.Authority {
        let wanted = Wanted(rotation)
        let own = certificates.overview
        let members = core.driver.read { $0.membership.members }.filter { $0.status != .left }.map { member in
            let last = seen[member.name]
            let certificate = member.name == core.name ? own : last?.certificate
            let isReady = certificate.map(wanted.isMet) ?? false
            return API.Authority.Member(
                name: member.name.text, state: API.MemberState(rawValue: member.status.rawValue) ?? .alive,
                ready: isReady,
                problem: isReady ? nil : member.status == .crashed ? "it is away" : last?.problem)
        }
        let users = try await office.usersLeftBehind().map { holder in
            API.Authority.User(
                name: holder.name.name.text, role: holder.name.role.rawValue,
                expires: API.Timestamp.text(unixSeconds: holder.notAfter))
        }
        return API.Authority(
            phase: rotation.phase.rawValue, issuing: Self.signer(rotation.issuing),
            other: rotation.other.map(Self.signer), members: members, users: users,
            ready: users.isEmpty && members.allSatisfy(\.ready))
    }

    private static func signer(_ certificate: X509Certificate) -> API.Authority.Signer {
        API.Authority.Signer(
            key: certificate.keyDigest?.hex ?? "", subject: certificate.subject,
            expires: API.Timestamp.text(unixSeconds: certificate.notAfter))
    }
}
