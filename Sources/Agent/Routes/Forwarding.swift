import Client
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Node
import Resources
import Vocabulary

/// Passes a read on to other nodes and their answer back, byte by byte.
struct Forwarding: Sendable {
    let core: AgentCore
    /// Of the connection that asked.
    let loop: any EventLoop
    /// The client named the node that is to answer: whatever the failure detector thinks of it, it is waited for.
    var insists = false

    /// A node that keeps silent for this long is passed over.
    private static let timeouts = ClientTimeouts(idle: .seconds(8), total: nil)
    /// What a client may ask of the one who answers.
    private static let asked: [HTTPField.Name] = [
        .range, .ifRange, .ifNoneMatch, .accept, .roostVerifies,
    ]
    /// What of an answer belongs to the resource, and not to the connection between two nodes.
    private static let passed: [HTTPField.Name] = [
        .contentType, .contentRange, .acceptRanges, .eTag, .lastModified, .retryAfter, .roostNode, .roostRoute,
        .roostVersion, .roostHome, .roostSHA256, .roostConflicts,
    ]

    /// Tries the nodes in order; the first that answers at all has answered. One that is not able to (a status from 500
    /// up) is passed over: its disk may be at fault, and another has a copy.
    ///
    /// - Throws: `NobodyAnswered`.
    func answer(
        _ request: Request, by nodes: [NodeName], visited: [NodeName], unsure: [NodeName], vouched: Dot? = nil
    ) async throws -> Response {
        var headers: HeaderFields = [:]
        for name in Self.asked { if let value = request.headers[name] { headers.add(name.rawName, value) } }
        headers.add(Visited.header.rawName, Visited.text(visited + [core.name]))
        if !unsure.isEmpty { headers.add(Visited.unsureHeader.rawName, Visited.text(unsure)) }
        if let vouched { headers.add(Visited.vouchedHeader.rawName, vouched.description) }
        let outgoing = ClientRequest(request.method.rawValue, request.uri.description, headers: headers)
        var nobody = NobodyAnswered()
        // First those that can be asked without waiting for a place in the peers table, here or there; the others when none
        // of them had an answer, again and again for a while: one that is busy is not silent, and may be the only one that
        // knows.
        var rest = nodes
        // Whom the failure detector came to doubt is asked once more when nobody else had an answer, and then waited for: a
        // suspicion that is refuted a second later must not fail a query that only it can answer.
        var doubted: Set<NodeName> = []
        let end = ContinuousClock.now + PeerPlaces.busyFor
        var round = 0
        while !rest.isEmpty, round < 2 || ContinuousClock.now < end {
            if round > 1 { try await Task.sleep(for: PeerPlaces.busyPause) }
            let patience: PeersTable.Patience = round == 0 && nodes.count > 1 ? .hasOthers : .waits
            var postponed: [NodeName] = []
            for (index, node) in rest.enumerated() {
                do {
                    if let answer = try await ask(node, outgoing, patience, &nobody) { return answer }
                } catch let error as PeersError where error.isBusy {
                    // Only the node that was asked first waits, and asks others meanwhile: those on the way would be taken
                    // for silent, and each of them would ask everybody in vain.
                    guard visited.isEmpty else { throw nobody.whileBusy(rest[index...]) }
                    postponed.append(node)
                } catch let lost as PeerCallError {
                    let isAskedAgain = visited.isEmpty && doubted.insert(node).inserted
                    if isAskedAgain { postponed.append(node) } else { nobody.note(node, lost) }
                }
            }
            rest = postponed
            round += 1
        }
        nobody.silent += rest
        nobody.unasked += rest
        nobody.failures += rest.map { "\($0) is busy" }
        throw nobody
    }

    /// The node's answer; nil, and noted why, when it has none.
    ///
    /// - Throws: `CancellationError`; a `PeersError` when there is no place and others can be asked instead;
    ///   `PeerCallError.lost`.
    private func ask(
        _ node: NodeName, _ outgoing: ClientRequest, _ patience: PeersTable.Patience, _ nobody: inout NobodyAnswered
    ) async throws -> Response? {
        do {
            let endpoint = try core.calls.endpoint(of: node)
            let request = { @Sendable [core] in
                try await core.peers.request(
                    to: node, at: endpoint, outgoing, idempotent: true, kind: .bulk, patience: patience,
                    timeouts: Self.timeouts)
            }
            let response = try await insists ? request() : core.driver.whileThere(node, request)
            guard response.status >= 500 else {
                if let answerer = response.headers[HTTPField.Name.roostNode.rawName], answerer != node.text {
                    core.driver.feed(.passedOn(by: node))
                }
                return await pass(response, isHead: outgoing.method == "HEAD")
            }
            let code = try await errorCode(of: response)
            if code == PeersError.busyCode { throw PeersError.allBusy(peer: node, max: core.settings.peersMax) }
            nobody.failures.append("\(node) answered \(response.status)")
            switch code {
            case NobodyAnswered.noHolder: break
            case NobodyAnswered.somebodyBehind: nobody.isSomebodyBehind = true
            default: nobody.silent.append(node)
            }
        } catch let error as PeersError where error.isBusy {
            throw error
        } catch {
            try Task.checkCancellation()
            core.log.debug("a query could not be forwarded", metadata: ["to": "\(node)", "error": "\(error)"])
            if case PeerCallError.lost = error { throw error }
            nobody.note(node, error)
        }
        return nil
    }

    /// The word for programs in a refusal's body, which is read to its end.
    private func errorCode(of response: PeerResponse) async throws -> String? {
        var bytes: [UInt8] = []
        for try await part in response.body where bytes.count < 65_536 {
            bytes.append(contentsOf: part.readableBytesView.prefix(65_536))
        }
        return (try? API.JSON.decode(API.ErrorBody.self, from: bytes))?.error.code
    }

    private func pass(_ response: PeerResponse, isHead: Bool) async -> Response {
        var fields = HTTPFields()
        for name in Self.passed { if let value = response.headers[name.rawName] { fields[name] = value } }
        let length = response.contentLength.flatMap { Int(exactly: $0) }
        let status = HTTPResponse.Status(code: response.status)
        if isHead || response.status == 304 {
            // Read to its end, which is here: the connection can serve again.
            await response.body.discard()
            if let length { fields[.contentLength] = String(length) }
            return Response(status: status, headers: fields)
        }
        return .stream(status: status, headers: fields, count: length, pacedBy: loop, response.body)
    }
}

/// A query that none of those asked had an answer for.
struct NobodyAnswered: Error {
    /// The code of a refusal by a node that holds nothing of the name, and may not say that there is none.
    static let noHolder = "no_holder"
    /// The code when one of the nodes asked is there, but not in step: it may hold what others lack.
    static let somebodyBehind = "syncing"

    /// Those that gave no word at all.
    var silent: [NodeName] = []
    /// Those of them that had no place for the question: they are there, and what they hold is not known.
    var unasked: [NodeName] = []
    var isSomebodyBehind = false
    /// Somebody had no place for the question, and whoever passed it on here is to ask again.
    private(set) var isBusy = false
    var failures: [String] = []

    mutating func note(_ node: NodeName, _ error: any Error) {
        failures.append("\(node): \(error)")
        silent.append(node)
    }

    /// - Parameter unasked: nothing is known from these.
    func whileBusy(_ unasked: some Sequence<NodeName>) -> NobodyAnswered {
        var nobody = self
        nobody.isBusy = true
        nobody.silent += unasked
        return nobody
    }

    var apiError: APIError {
        APIError.unavailable(
            "no node that may answer could be reached (\(failures.joined(separator: "; ")))",
            code: isBusy
                ? PeersError.busyCode
                : isSomebodyBehind ? Self.somebodyBehind : silent.isEmpty ? Self.noHolder : "unreachable",
            retryAfterSeconds: 1)
    }
}

extension HTTPField.Name {
    /// `sha256`: whoever asks for a part checks the whole, so that the part need not be checked here.
    static let roostVerifies: HTTPField.Name = {
        guard let name = HTTPField.Name("Roost-Verifies") else { preconditionFailure("Roost-Verifies is a token") }
        return name
    }()

    /// How many concurrent versions lost to the one answered.
    static let roostConflicts: HTTPField.Name = {
        guard let name = HTTPField.Name("Roost-Conflicts") else { preconditionFailure("Roost-Conflicts is a token") }
        return name
    }()
}
