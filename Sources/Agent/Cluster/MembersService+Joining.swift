import Client
import Gossip
import Node
import SWIM
import TLS
import Vocabulary

/// The way into the cluster, by an address of which nobody knows yet who answers there.
extension MembersService {
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
        guard let node = connection.remoteIdentity?.name.name else { throw JoinError.oneself }
        guard !core.revoked.contains(node: node) else { throw JoinError.revoked(node) }
        // A newcomer without keys asks for them; it makes none of its own that the others would have to learn.
        let ask = state(keyring: core.keys.current ?? Keyring())
        let theirs: MembersExchange
        do throws(JoinError) {
            theirs = try await post("/v1/peer/members", ask, to: node, over: connection)
        } catch {
            // This node's own name answers there and is not this node: then another host has it.
            if case .nameInUse(_, let message) = error { core.claims.conflicts.wasRefused(by: node, message) }
            throw error
        }
        let news = await take(theirs, from: node)
        learnOwnAddress(theirs.seenAs)
        guard !core.revoked.contains(node: node) else { throw JoinError.revoked(node) }
        // Two that come back at once must not take each other for the cluster, and vouch for what they held; but each
        // must know the key that the other may have made by now.
        let claims = await core.claims.admitted(core.revoked.admitted(theirs.claims), from: node) { names in
            let request = CertificatesRequest(wanted: names)
            let reply: CertificatesReply = try await post(
                "/v1/peer/certificates", request, to: node, over: connection)
            return reply.certificates
        }
        guard claims.contains(where: { $0.name == node }) || core.driver.read({ $0.membership.member(node) }) != nil
        else { throw JoinError.notBelieved(node) }
        if theirs.joining == true {
            // Whoever of the two goes on first must know of the other, which may hold what is newer.
            core.driver.feed(.membership(.merge(claims, from: node)))
            throw JoinError.joiningItself(node, remembering: theirs.remembered ?? [])
        }
        let isMet = core.driver.read { machine in
            !machine.isJoining && machine.membership.member(node)?.status.isDeparted == false
        }
        core.driver.feed(
            isMet
                ? .membership(.merge(claims, from: node))
                : .lifecycle(.joined(claims, from: node, theirs.absences)))
        core.claims.hasJoined(through: node)
        if news { tellEveryoneSoon() }
        return node
    }

    private func post<Answer: Decodable>(
        _ path: String, _ body: some Encodable & Sendable, to node: NodeName, over connection: ClientConnection
    ) async throws(JoinError) -> Answer {
        do {
            return try await connection.post(path, body, to: node, within: .seconds(10))
        } catch PeerCallError.tooLarge {
            throw .answerTooLarge
        } catch PeerCallError.refused(_, _, _, let body) {
            switch body.error.code {
            case JoinError.oneselfCode: throw .oneself
            case JoinError.nameInUseCode: throw .nameInUse(node, body.error.message)
            default: throw .refused(node, body.error.message)
            }
        } catch {
            throw .failed("\(error)")
        }
    }
}
