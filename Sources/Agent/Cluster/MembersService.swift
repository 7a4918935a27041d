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

    private static let savedMembers = "members"

    /// What this node tells of the cluster.
    private func ownState(seenAs: String? = nil) async throws -> MembersExchange {
        let keyring = try await core.keys.createIfNeeded()
        let (claims, held, phase) = core.driver.read {
            ($0.membership.claims, $0.convergence.totals.held, $0.phase)
        }
        return MembersExchange(
            node: core.name, claims: claims, keyring: keyring, revoked: core.revoked.all, holds: held, seenAs: seenAs,
            joining: phase == .joining)
    }

    /// Exchanges with a member whose turn it is. A failure needs no more than a word in the log: the next turn comes.
    func exchange(with node: NodeName, at endpoint: Endpoint) async {
        do {
            let theirs = try await core.calls.members(ownState(), with: node, at: endpoint)
            try await learn(theirs, from: node)
        } catch {
            core.log.debug("no exchange of members", metadata: ["with": "\(node)", "error": "\(error)"])
        }
    }

    /// Answers another node's exchange.
    func answer(_ theirs: MembersExchange, from node: NodeName, at address: String) async throws -> MembersExchange {
        try await learn(theirs, from: node)
        return try await ownState(seenAs: address)
    }

    private func learn(_ theirs: MembersExchange, from node: NodeName) async throws {
        let news = try await take(theirs, from: node)
        core.driver.feed(.membership(.merge(theirs.claims, from: node)))
        if news { await tellEveryone(besides: node) }
    }

    /// A key that only some know cuts the others off from the datagrams it seals, and a revocation must not wait for
    /// its turn: of either everyone is told at once.
    ///
    /// - Returns: whether there was anything of that kind.
    private func take(_ theirs: MembersExchange, from node: NodeName) async throws -> Bool {
        core.holds.withLockedValue { $0[node] = theirs.holds }
        let newKeys = try await core.keys.merge(theirs.keyring)
        let newRevocations = try await core.revoked.add(theirs.revoked)
        return newKeys || newRevocations
    }

    func tellEveryone(besides known: NodeName?) async {
        let others = core.driver.read { machine in
            machine.membership.members.filter { !$0.status.isDeparted && $0.name != core.name && $0.name != known }
        }
        await withDiscardingTaskGroup { tasks in
            for member in others.prefix(64) {
                tasks.addTask { await exchange(with: member.name, at: member.endpoint) }
            }
        }
    }

    /// Asks one address for the way into the cluster, whoever of its nodes answers there.
    ///
    /// - Returns: the name of the node that answered.
    func join(through endpoint: Endpoint) async throws -> NodeName {
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
        // A newcomer without keys asks for them; it makes none of its own that the others would have to learn.
        let (claims, held) = core.driver.read { ($0.membership.claims, $0.convergence.totals.held) }
        let ask = MembersExchange(
            node: core.name, claims: claims, keyring: core.keys.current ?? Keyring(), revoked: core.revoked.all,
            holds: held, seenAs: nil)
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
        let news = try await take(theirs, from: node)
        // Two that come back at once must not take each other for the cluster, and vouch for what they held; but each
        // must know the key that the other may have made by now.
        if theirs.joining == true { throw JoinError.joiningItself(node) }
        core.driver.feed(.lifecycle(.joined(theirs.claims, from: node)))
        if news { await tellEveryone(besides: node) }
        return node
    }

    /// Forgets a departed member here and, as far as they answer, on every other member: what one still told of it
    /// would bring it back.
    func forget(_ node: NodeName, everywhere: Bool) async {
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

    // MARK: Remembering

    /// The members known now, for the next start.
    func save() async {
        do {
            try await core.store.save(
                API.JSON.encode(core.driver.read { $0.membership.claims }), for: Self.savedMembers)
        } catch {
            core.log.warning("could not save the members", metadata: ["error": "\(error)"])
        }
    }

    /// Addresses of the members known at the last stop: seeds besides the configured ones.
    func savedEndpoints() async -> [Endpoint] {
        guard let bytes = try? await core.store.load(Self.savedMembers),
            let claims = try? API.JSON.decode([Claim].self, from: bytes)
        else { return [] }
        return claims.filter { $0.name != core.name && $0.status != .left }.map(\.endpoint)
    }
}

/// Why an address was no way into the cluster.
enum JoinError: Error, CustomStringConvertible {
    case oneself
    case joiningItself(NodeName)
    case answerTooLarge
    case refused(NodeName, String)

    var description: String {
        switch self {
        case .oneself: "this node itself answers there"
        case .joiningItself(let node): "\(node) is on its way into the cluster itself"
        case .answerTooLarge: "the answer was larger than any member list"
        case .refused(let node, let reason): "\(node) refused: \(reason)"
        }
    }
}
