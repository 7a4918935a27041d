import Client
import HTTPTypes
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Node
import SWIM
import TLS
import Vocabulary

/// Two hosts under one name: a host that has moved, or a second one with a copy of the first one's certificate. Both
/// prove the name, so the place where it was last is asked whether it is still there. If it is, the newcomer is refused;
/// if it is not, the newcomer takes over at once.
struct NameConflicts: Sendable {
    enum Verdict: Sendable {
        /// Nobody answers any more in the old place.
        case free
        case held(by: HolderAnswer)
        /// Nobody was asked: too many questions are under way. It is neither let in nor told of.
        case busy
    }

    /// A slow answer counts as none: who can not be reached can not be protected either, and a moved host waits for it.
    static let patience = Duration.seconds(2)
    /// For so long the answer is not asked for again: claims come several times, in datagrams of several members.
    private static let freeFor = Duration.seconds(10)
    private static let heldFor = Duration.seconds(2)
    static let keptMax = 256
    /// Between two events about one name: who holds a certificate could bring ever other lives of it.
    private static let eventPause = Duration.seconds(10)

    private struct Life: Hashable {
        let name: NodeName
        let epoch: UInt64
        let endpoint: Endpoint

        init(_ claim: Claim) {
            name = claim.name
            epoch = claim.epoch
            endpoint = claim.endpoint
        }
    }

    private struct State {
        var asking: [Life: Task<Verdict, Never>] = [:]
        var verdicts: [Life: (verdict: Verdict, until: Instant)] = [:]
        var count: UInt64 = 0
        /// What an event was made of, and when the last one was made of a name.
        var told: Set<Told> = []
        var lastTold: [NodeName: Instant] = [:]
    }

    private enum Told: Hashable {
        case life(Life)
        /// This node was refused by that one. Its words do not count: it may find ever other ones.
        case refusal(NodeName)
    }

    let me: NodeName
    let driver: NodeDriver
    let credentials: CurrentCredentials
    let book: CertificateBook
    let events: EventLog
    let log: Logger
    let group: any EventLoopGroup
    private let state = NIOLockedValueBox(State())

    /// Refusals so far, for the metrics.
    var count: UInt64 { state.withLockedValue { $0.count } }

    // MARK: Asking

    /// What was found out of this life a moment ago.
    func recent(_ claim: Claim) -> Verdict? {
        let now = NodeDriver.now
        return state.withLockedValue { state in
            state.verdicts[Life(claim)].flatMap { now < $0.until ? $0.verdict : nil }
        }
    }

    /// Whether nobody has asked about this life yet.
    func begins(_ claim: Claim) -> Bool { state.withLockedValue { $0.asking[Life(claim)] == nil } }

    /// - Parameters:
    ///   - claim: the newcomer's, verified.
    ///   - holder: what was known of the name before.
    func verdict(on claim: Claim, against holder: Claim) async -> Verdict {
        if let recent = recent(claim) { return recent }
        let life = Life(claim)
        let task: Task<Verdict, Never>? = state.withLockedValue { state in
            if let running = state.asking[life] { return running }
            guard state.asking.count < Self.keptMax else { return nil }
            let task = Task {
                let verdict = await ask(holder, about: claim)
                keep(verdict, on: life)
                if case .held(let answer) = verdict { tell(claim, heldBy: answer) }
                return verdict
            }
            state.asking[life] = task
            return task
        }
        guard let task else { return .busy }
        return await task.value
    }

    private func keep(_ verdict: Verdict, on life: Life) {
        let now = NodeDriver.now
        state.withLockedValue { state in
            state.asking[life] = nil
            if state.verdicts.count >= Self.keptMax { state.verdicts = state.verdicts.filter { now < $0.value.until } }
            guard state.verdicts.count < Self.keptMax else { return }
            switch verdict {
            case .free: state.verdicts[life] = (verdict, now + Self.freeFor)
            case .held: state.verdicts[life] = (verdict, now + Self.heldFor)
            case .busy: break
            }
        }
    }

    /// Over a connection of its own: the peers table may be full of calls, and knows only one address of a name.
    private func ask(_ holder: Claim, about claim: Claim) async -> Verdict {
        do {
            let connection = try await ClientConnection.connect(
                to: .https(holder.endpoint), tls: credentials.context, expecting: .node(holder.name),
                timeout: Self.patience, eventLoopGroup: group)
            defer { Task { await connection.close() } }
            let question = HolderQuestion(claim: claim, certificates: book.chains(of: [claim.name]))
            let answer: HolderAnswer = try await connection.post(
                "/v1/peer/holder", question, to: holder.name, within: Self.patience, bytesMax: 1 << 16)
            // The newcomer itself: it is reached at both addresses.
            return answer.epoch == claim.epoch ? .free : .held(by: answer)
        } catch PeerCallError.refused {
            // One that is starting or too busy to say who it is, is there.
            return .held(by: HolderAnswer(holder))
        } catch {
            log.debug("nobody answers for \(holder.name)", metadata: ["at": "\(holder.endpoint)", "error": "\(error)"])
            return .free
        }
    }

    // MARK: Telling

    /// - Returns: whether it has not been told, and may be told now.
    private func isToBeTold(_ what: Told, of name: NodeName) -> Bool {
        let now = NodeDriver.now
        return state.withLockedValue { state in
            if let last = state.lastTold[name], now - last < Self.eventPause { return false }
            if state.told.count >= Self.keptMax { state.told = [] }
            guard state.told.insert(what).inserted else { return false }
            if state.lastTold.count >= Self.keptMax { state.lastTold = [:] }
            state.lastTold[name] = now
            return true
        }
    }

    private func tell(_ claim: Claim, heldBy answer: HolderAnswer) {
        state.withLockedValue { $0.count &+= 1 }
        guard isToBeTold(.life(Life(claim)), of: claim.name) else { return }
        record(
            node: claim.name, at: claim.endpoint, by: me,
            detail: "refused: the name is in use by a live node at \(answer.endpoint)")
    }

    private func record(node: NodeName, at endpoint: Endpoint?, by speaker: NodeName, detail: String) {
        events.append(
            type: MemberEvent.Kind.conflict.rawValue, node: node.text, address: endpoint?.description, by: speaker.text,
            detail: detail, time: API.Timestamp.text(unixMilliseconds: WallClock.milliseconds))
        log.warning(
            "\(node) conflict", metadata: ["address": "\(endpoint.map(\.description) ?? "?")", "detail": "\(detail)"])
    }

    /// This node was refused by `node`, in these words. An event for each that refuses; how it goes on is the way in's.
    func wasRefused(by node: NodeName, _ message: String) {
        guard isToBeTold(.refusal(node), of: me) else { return }
        record(node: me, at: driver.read { $0.membership.oneself.endpoint }, by: node, detail: message)
    }

    // MARK: Answering

    /// What a second holder of a name is told.
    static func refusal(_ name: NodeName, heldBy answer: HolderAnswer) -> APIError {
        APIError(
            .conflict, code: JoinError.nameInUseCode,
            "the name \(name) is in use by a live node at \(answer.endpoint) since "
                + "\(API.Timestamp.text(unixMilliseconds: answer.epoch)); stop it or issue another certificate",
            hint: "one name is one host: roost ca issue --node OTHER, or stop the agent at \(answer.endpoint)")
    }

    /// A node that wants to be a member, or is one, shows itself.
    ///
    /// - Throws: 409 when its name is another live node's.
    func admit(_ asker: NodeName, claims: [Claim]) async throws {
        guard let claim = claims.first(where: { $0.name == asker }) else { return }
        guard asker != me else { return try refuseNamesake(claim) }
        guard let holder = driver.read({ $0.membership.member(asker)?.claim }), !holder.status.isDeparted,
            holder.epoch != claim.epoch, holder.endpoint != claim.endpoint
        else { return }
        switch await verdict(on: claim, against: holder) {
        case .free: return
        case .held(let answer): throw Self.refusal(asker, heldBy: answer)
        case .busy:
            throw APIError.unavailable(
                "\(me) could not ask yet whether the name \(asker) is in use elsewhere", code: "busy",
                retryAfterSeconds: 2)
        }
    }

    /// Its name is this node's own: this node itself, by a roundabout address, or another host.
    private func refuseNamesake(_ claim: Claim) throws(APIError) {
        let own = driver.read { $0.membership.oneself }
        guard claim.epoch != own.epoch else {
            throw APIError(.conflict, code: JoinError.oneselfCode, "\(me) has called itself")
        }
        meet(claim, toldBy: me)
        throw Self.refusal(me, heldBy: HolderAnswer(own.claim))
    }

    /// Answers whether this node is still what it was, and hears who else claims its name.
    func answer(_ question: HolderQuestion, from asker: NodeName, _ verifier: ClaimVerifier) throws(APIError)
        -> HolderAnswer
    {
        guard question.claim.name == me else { throw .badRequest("this is \(me), not \(question.claim.name)") }
        let own = driver.read { $0.membership.oneself }
        if question.claim.epoch != own.epoch {
            book.learn(question.certificates)
            // An asker that made it up is not worth an event.
            let known = [me: own.claim]
            if !verifier.judge([question.claim], from: me, isProven: true, known: known).admitted.isEmpty {
                meet(question.claim, toldBy: asker)
            }
        }
        return HolderAnswer(own.claim)
    }

    /// Another host has this node's name. This node goes on; it says so once for each life of the other.
    private func meet(_ claim: Claim, toldBy teller: NodeName) {
        state.withLockedValue { $0.count &+= 1 }
        guard isToBeTold(.life(Life(claim)), of: me) else { return }
        record(
            node: me, at: claim.endpoint, by: teller,
            detail: "another host claims this node's name; it is refused while this node lives")
    }
}

extension HolderAnswer {
    init(_ claim: Claim) { self.init(node: claim.name, epoch: claim.epoch, endpoint: claim.endpoint) }
}
