import Client
import Gossip
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Node
import Relocation
import SWIM
import Storage
import TLS
import Vocabulary

/// Push and pull of the membership over TLS: in turn with known members, and the way into the cluster.
struct MembersService: Sendable {
    let core: AgentCore
    let group: any EventLoopGroup
    let saved: SavedMembers
    private let announcer = Announcer()

    init(core: AgentCore, group: any EventLoopGroup, saved: SavedMembers) {
        self.core = core
        self.group = group
        self.saved = saved
    }

    /// What this node tells of the cluster.
    private func ownState(seenAs: String? = nil) async throws -> MembersExchange {
        state(keyring: try await core.keys.createIfNeeded(), seenAs: seenAs)
    }

    private func state(keyring: Keyring, seenAs: String? = nil) -> MembersExchange {
        let (claims, held, isJoining) = core.driver.read {
            ($0.membership.claims, $0.convergence.totals.held, $0.isJoining)
        }
        return MembersExchange(
            node: core.name, claims: claims, keyring: keyring, revoked: core.revoked.all, holds: held, seenAs: seenAs,
            joining: isJoining, remembered: isJoining ? saved.atStart : nil)
    }

    /// Exchanges with a member whose turn it is. A failure needs no more than a word in the log: the next turn comes.
    ///
    /// - Returns: whether it answered.
    @discardableResult
    func exchange(with node: NodeName, at endpoint: Endpoint) async -> Bool {
        do {
            guard !core.revoked.contains(node: node) else { throw JoinError.revoked(node) }
            let theirs = try await core.calls.members(ownState(), with: node, at: endpoint)
            await learn(theirs, from: node)
            learnOwnAddress(theirs.seenAs)
            return true
        } catch {
            core.log.debug("no exchange of members", metadata: ["with": "\(node)", "error": "\(error)"])
            return false
        }
    }

    /// The probe of a member that does not answer datagrams.
    func probe(_ node: NodeName, at endpoint: Endpoint, _ claims: [Claim]) async -> Membership.FallbackResult {
        guard !core.revoked.contains(node: node) else { return .silent }
        do {
            let answer = try await core.calls.probe(
                MemberProbe(node: core.name, claims: claims), of: node, at: endpoint)
            return .answered(core.revoked.admitted(answer.claims))
        } catch ClientError.cannotConnect(_, _, _, nobodyListens: true) {
            return .refused
        } catch {
            core.log.debug("no answer over TLS either", metadata: ["node": "\(node)", "error": "\(error)"])
            return .silent
        }
    }

    /// What this node says of itself when it has heard what is said of it.
    func answer(_ probe: MemberProbe, from node: NodeName) -> MemberProbe {
        core.driver.feed(.membership(.merge(core.revoked.admitted(probe.claims), from: node)))
        return MemberProbe(node: core.name, claims: [core.driver.read { $0.membership.oneself.claim }])
    }

    /// Answers another node's exchange.
    func answer(_ theirs: MembersExchange, from node: NodeName, at address: String) async throws -> MembersExchange {
        await learn(theirs, from: node)
        return try await ownState(seenAs: address)
    }

    private func learn(_ theirs: MembersExchange, from node: NodeName) async {
        let news = await take(theirs, from: node)
        core.driver.feed(.membership(.merge(core.revoked.admitted(theirs.claims), from: node)))
        if news { tellEveryoneSoon() }
    }

    /// - Returns: whether there was anything that everyone must be told at once.
    private func take(_ theirs: MembersExchange, from node: NodeName) async -> Bool {
        core.holds.withLockedValue { $0[node] = theirs.holds }
        let newKeys = await core.keys.merge(theirs.keyring)
        let newRevocations = await addRevocations(theirs.revoked)
        return newKeys || newRevocations
    }

    // MARK: Telling everyone

    /// Exchanges under way at once while everyone is told.
    private static let tellingAtOnceMax = 8

    /// A key that only some know cuts the others off from the datagrams it seals, and a revocation must not wait for
    /// its turn: of either everyone is told at once; who asked for something does not wait for that.
    func tellEveryoneSoon() { announcer.tell { await tellEveryone() } }

    /// Those who do not answer are tried once more; after that the regular exchanges reach them.
    private func tellEveryone() async {
        var others = core.driver.read { machine in
            machine.membership.members.filter { !$0.status.isDeparted && $0.name != core.name }
        }
        for _ in 0..<2 where !others.isEmpty { others = await tell(others) }
    }

    /// - Returns: those who did not answer.
    private func tell(_ others: [Member]) async -> [Member] {
        await withTaskGroup(of: Member?.self) { tasks in
            var waiting = others[...]
            var silent: [Member] = []
            func start() {
                guard let member = waiting.popFirst() else { return }
                tasks.addTask { await exchange(with: member.name, at: member.endpoint) ? nil : member }
            }
            for _ in 0..<Self.tellingAtOnceMax { start() }
            while let result = await tasks.next() {
                if let result { silent.append(result) }
                start()
            }
            return silent
        }
    }

    // MARK: Revoking

    /// Takes the rights from certificates' names, here and, in the background, everywhere.
    func revoke(_ uris: [String]) async {
        if await addRevocations(uris) { tellEveryoneSoon() }
    }

    /// A revoked node is gone for membership at once: it owns nothing, and nobody calls it.
    private func addRevocations(_ uris: [String]) async -> Bool {
        guard await core.revoked.add(uris) else { return false }
        for node in core.revoked.nodesIfAny.sorted() { core.driver.feed(.membership(.expel(node))) }
        return true
    }

    // MARK: Joining

    /// Asks one address for the way into the cluster, whoever of its nodes answers there.
    ///
    /// - Returns: the name of the node that answered.
    func join(through endpoint: Endpoint) async throws -> NodeName {
        guessAddressAgain()
        let connection = try await ClientConnection.connect(
            to: .https(endpoint), tls: core.credentials.context, expecting: .anyNode, timeout: .seconds(5),
            eventLoopGroup: group)
        do {
            let node = try await exchange(over: connection)
            await connection.close()
            return node
        } catch {
            await connection.close()
            throw error
        }
    }

    private func exchange(over connection: ClientConnection) async throws -> NodeName {
        guard let node = connection.remoteIdentity?.name.name, node != core.name else { throw JoinError.oneself }
        guard !core.revoked.contains(node: node) else { throw JoinError.revoked(node) }
        // A newcomer without keys asks for them; it makes none of its own that the others would have to learn.
        let ask = state(keyring: core.keys.current ?? Keyring())
        let response = try await connection.send(
            ClientRequest(
                "POST", "/v1/peer/members", headers: ["Content-Type": "application/json"],
                body: .bytes(ByteBuffer(bytes: try API.JSON.encode(ask)))),
            timeouts: PeerCalls.timeouts(.seconds(10)))
        var bytes: [UInt8] = []
        for try await part in response.body {
            guard bytes.count + part.readableBytes <= PeerCalls.answerBytesMax else { throw JoinError.answerTooLarge }
            bytes.append(contentsOf: part.readableBytesView)
        }
        guard response.status == 200 else {
            let body = try? API.JSON.decode(API.ErrorBody.self, from: bytes)
            throw JoinError.refused(node, body?.error.message ?? "status \(response.status)")
        }
        let theirs = try API.JSON.decode(MembersExchange.self, from: bytes)
        let news = await take(theirs, from: node)
        learnOwnAddress(theirs.seenAs)
        guard !core.revoked.contains(node: node) else { throw JoinError.revoked(node) }
        // Two that come back at once must not take each other for the cluster, and vouch for what they held; but each
        // must know the key that the other may have made by now.
        let claims = core.revoked.admitted(theirs.claims)
        if theirs.joining == true {
            // Whoever of the two goes on first must know of the other, which may hold what is newer.
            core.driver.feed(.membership(.merge(claims, from: node)))
            throw JoinError.joiningItself(node, remembering: theirs.remembered ?? [])
        }
        let isMet = core.driver.read { machine in
            !machine.isJoining && machine.membership.member(node)?.status.isDeparted == false
        }
        core.driver.feed(isMet ? .membership(.merge(claims, from: node)) : .lifecycle(.joined(claims, from: node)))
        if news { tellEveryoneSoon() }
        return node
    }

    // MARK: This node's own address

    /// A machine that had no address but loopback when the agent started may have one by now (DHCP).
    private func guessAddressAgain() {
        let own = core.endpoint
        guard AdvertisedEndpoint.isGuess(core.settings), AdvertisedEndpoint.isLocal(own.host),
            let found = try? AdvertisedEndpoint.find(bound: core.settings.bind, port: own.port)
        else { return }
        core.driver.feed(.membership(.endpoint(found)))
    }

    /// What another member saw this node's calls come from is better than loopback, which leads each to itself.
    private func learnOwnAddress(_ seenAs: String?) {
        let own = core.endpoint
        guard AdvertisedEndpoint.isGuess(core.settings),
            let better = AdvertisedEndpoint.better(than: own, seenAs: seenAs)
        else { return }
        core.log.notice("others see this node at another address", metadata: ["address": "\(better)"])
        core.driver.feed(.membership(.endpoint(better)))
    }

    /// Forgets a departed member here and, as far as they answer, on every other member: what one still told of it
    /// would bring it back.
    func forget(_ node: NodeName, everywhere: Bool) async {
        saved.forget(node)
        core.driver.feed(.membership(.forget(node)))
        guard everywhere else { return }
        let others = core.driver.read { machine in
            machine.membership.members.filter { !$0.status.isDeparted && $0.name != core.name }
        }
        await withDiscardingTaskGroup { tasks in
            for member in others {
                tasks.addTask {
                    do {
                        try await core.calls.forget(node, on: member.name)
                    } catch {
                        core.log.warning(
                            "a member could not be told to forget",
                            metadata: ["member": "\(member.name)", "error": "\(error)"])
                    }
                }
            }
        }
    }

    /// The members known now, for the next start.
    func save() async {
        do {
            try await saved.save(core.driver.read { $0.membership.claims })
        } catch {
            core.log.warning("could not save the members", metadata: ["error": "\(error)"])
        }
    }
}

/// Why an address was no way into the cluster.
enum JoinError: Error, CustomStringConvertible {
    case oneself
    case joiningItself(NodeName, remembering: [NodeName])
    case revoked(NodeName)
    case answerTooLarge
    case refused(NodeName, String)

    var description: String {
        switch self {
        case .oneself: "this node itself answers there"
        case .joiningItself(let node, _): "\(node) is on its way into the cluster itself"
        case .revoked(let node): "the certificate of \(node) was revoked"
        case .answerTooLarge: "the answer was larger than any member list"
        case .refused(let node, let reason): "\(node) refused: \(reason)"
        }
    }
}
