import Client
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Vocabulary

/// Passes a read on to other nodes and their answer back, byte by byte.
struct Forwarding: Sendable {
    let core: AgentCore
    /// Of the connection that asked.
    let loop: any EventLoop

    /// The code of a failure when one of the nodes asked is there, but not in step: it may hold what others lack.
    static let somebodyBehind = "syncing"

    /// A node that keeps silent for this long is passed over.
    private static let timeouts = ClientTimeouts(idle: .seconds(8), total: nil)
    /// What a client may ask of the one who answers.
    private static let asked: [HTTPField.Name] = [.range, .ifRange, .ifNoneMatch, .accept]
    /// What of an answer belongs to the resource, and not to the connection between two nodes.
    private static let passed: [HTTPField.Name] = [
        .contentType, .contentRange, .acceptRanges, .eTag, .lastModified, .retryAfter, .roostNode, .roostRoute,
        .roostVersion, .roostHome, .roostSHA256, .roostConflicts,
    ]

    /// Tries the nodes in order; the first that answers at all has answered. One that is not able to (502, 503, 504)
    /// is passed over.
    ///
    /// - Throws: 503 when none of them answered.
    func answer(_ request: Request, by nodes: [NodeName], visited: [NodeName], unsure: [NodeName]) async throws
        -> Response
    {
        var headers: HeaderFields = [:]
        for name in Self.asked { if let value = request.headers[name] { headers.add(name.rawName, value) } }
        headers.add(Visited.header.rawName, Visited.text(visited + [core.name]))
        if !unsure.isEmpty { headers.add(Visited.unsureHeader.rawName, Visited.text(unsure)) }
        let outgoing = ClientRequest(request.method.rawValue, request.uri.description, headers: headers)
        var failures: [String] = []
        var isSomebodyBehind = false
        for node in nodes {
            do {
                let response = try await core.peers.request(
                    to: node, at: try core.calls.endpoint(of: node), outgoing, idempotent: true,
                    timeouts: Self.timeouts)
                if [502, 503, 504].contains(response.status) {
                    failures.append("\(node) answered \(response.status)")
                    let code = try await errorCode(of: response)
                    isSomebodyBehind = isSomebodyBehind || code == Self.somebodyBehind
                    continue
                }
                return pass(response, isHead: request.method == .head)
            } catch {
                try Task.checkCancellation()
                core.log.debug("a query could not be forwarded", metadata: ["to": "\(node)", "error": "\(error)"])
                failures.append("\(node): \(error)")
            }
        }
        throw APIError.unavailable(
            "no node that may answer could be reached (\(failures.joined(separator: "; ")))",
            code: isSomebodyBehind ? Self.somebodyBehind : "no_holder",
            retryAfterSeconds: 1)
    }

    /// The word for programs in a refusal's body, which is read to its end.
    private func errorCode(of response: PeerResponse) async throws -> String? {
        var bytes: [UInt8] = []
        for try await part in response.body where bytes.count < 65_536 {
            bytes.append(contentsOf: part.readableBytesView.prefix(65_536))
        }
        return (try? API.JSON.decode(API.ErrorBody.self, from: bytes))?.error.code
    }

    private func pass(_ response: PeerResponse, isHead: Bool) -> Response {
        var fields = HTTPFields()
        for name in Self.passed { if let value = response.headers[name.rawName] { fields[name] = value } }
        let length = response.contentLength.flatMap { Int(exactly: $0) }
        let status = HTTPResponse.Status(code: response.status)
        if isHead || response.status == 304 {
            if let length { fields[.contentLength] = String(length) }
            return Response(status: status, headers: fields)
        }
        return .stream(status: status, headers: fields, count: length, pacedBy: loop, response.body)
    }
}

extension HTTPField.Name {
    /// How many concurrent versions lost to the one answered.
    static let roostConflicts: HTTPField.Name = {
        guard let name = HTTPField.Name("Roost-Conflicts") else { preconditionFailure("Roost-Conflicts is a token") }
        return name
    }()
}
