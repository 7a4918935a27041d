import Client
import Gossip
import NIOCore
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
        core.driver.feed(isMet ? .membership(.merge(claims, from: node)) : .lifecycle(.joined(claims, from: node)))
        core.claims.hasJoined(through: node)
        if news { tellEveryoneSoon() }
        return node
    }

    private func post<Answer: Decodable>(
        _ path: String, _ body: some Encodable & Sendable, to node: NodeName, over connection: ClientConnection
    ) async throws(JoinError) -> Answer {
        var bytes: [UInt8] = []
        let status: Int
        do {
            let response = try await connection.send(
                ClientRequest(
                    "POST", path, headers: ["Content-Type": "application/json"],
                    body: .bytes(ByteBuffer(bytes: try API.JSON.encode(body)))),
                timeouts: PeerCalls.timeouts(.seconds(10)))
            status = response.status
            for try await part in response.body {
                guard bytes.count + part.readableBytes <= PeerCalls.answerBytesMax else {
                    throw JoinError.answerTooLarge
                }
                bytes.append(contentsOf: part.readableBytesView)
            }
            if status == 200 { return try API.JSON.decode(Answer.self, from: bytes) }
        } catch let error as JoinError {
            throw error
        } catch {
            throw .failed("\(error)")
        }
        let problem = (try? API.JSON.decode(API.ErrorBody.self, from: bytes))?.error
        let message = problem?.message ?? "status \(status)"
        switch problem?.code {
        case JoinError.oneselfCode: throw .oneself
        case JoinError.nameInUseCode: throw .nameInUse(node, message)
        default: throw .refused(node, message)
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
    /// A live node has this node's name.
    case nameInUse(NodeName, String)
    /// What the node says of itself; the log says why.
    case notBelieved(NodeName)
    /// No answer, or none that can be read.
    case failed(String)

    /// Codes of the API's refusals.
    static let oneselfCode = "oneself"
    static let nameInUseCode = "name_in_use"

    var description: String {
        switch self {
        case .oneself: "this node itself answers there"
        case .joiningItself(let node, _): "\(node) is on its way into the cluster itself"
        case .revoked(let node): "the certificate of \(node) was revoked"
        case .answerTooLarge: "the answer was larger than any member list"
        case .refused(let node, let reason): "\(node) refused: \(reason)"
        case .nameInUse(let node, let reason): "\(node) refused: \(reason)"
        case .notBelieved(let node):
            "what \(node) says of itself is not believed here; compare the clocks of both hosts, and see this node's log"
        case .failed(let reason): reason
        }
    }
}
