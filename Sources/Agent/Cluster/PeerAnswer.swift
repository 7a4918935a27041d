import Client
import NIOCore
import Vocabulary

/// What another node answers: read up to a bound, judged by its status, decoded. The same over the peers table and over a
/// connection of its own.
enum PeerAnswer {
    /// A refusal has some hundred bytes.
    private static let refusalBytesMax = 1 << 16

    /// - Throws: `PeerCallError.refused` for a status that is no success, with the node's words as far as they may be shown;
    ///   `.tooLarge`; what the body threw; `ClientError.json`.
    static func value<Answer: Decodable, Body: AsyncSequence>(
        of body: Body, status: Int, to path: String, from node: NodeName, bytesMax: Int
    ) async throws -> Answer where Body.Element == ByteBuffer {
        let bytes = try await bytes(of: body, status: status, to: path, from: node, bytesMax: bytesMax)
        return try API.JSON.decode(Answer.self, from: bytes.readableBytesView)
    }

    /// The same before it is decoded.
    static func bytes<Body: AsyncSequence>(
        of body: Body, status: Int, to path: String, from node: NodeName, bytesMax: Int
    ) async throws -> ByteBuffer where Body.Element == ByteBuffer {
        let isRefusal = !(200..<300).contains(status)
        let limit = isRefusal ? min(bytesMax, refusalBytesMax) : bytesMax
        var bytes = ByteBuffer()
        for try await var part in body {
            guard part.readableBytes <= limit - bytes.readableBytes else {
                throw PeerCallError.tooLarge(node, path: path, bytesMax: limit)
            }
            bytes.writeBuffer(&part)
        }
        if isRefusal {
            let body = try? API.JSON.decode(API.ErrorBody.self, from: bytes.readableBytesView)
            throw PeerCallError.refused(
                node, path: path, status: status,
                body?.printable ?? API.ErrorBody(code: "unknown", message: "no reason given"))
        }
        return bytes
    }

    /// The question before it.
    static func request(_ method: String, _ path: String, _ body: some Encodable) throws -> ClientRequest {
        ClientRequest(
            method, path, headers: ["Content-Type": "application/json"],
            body: .bytes(ByteBuffer(bytes: try API.JSON.encode(body))))
    }
}

extension ClientConnection {
    /// Asks the node at the other end.
    func post<Answer: Decodable>(
        _ path: String, _ body: some Encodable, to node: NodeName, within limit: Duration,
        bytesMax: Int = PeerCalls.answerBytesMax
    ) async throws -> Answer {
        let response = try await send(
            try PeerAnswer.request("POST", path, body), timeouts: PeerCalls.timeouts(limit))
        return try await PeerAnswer.value(
            of: response.body, status: response.status, to: path, from: node, bytesMax: bytesMax)
    }
}

extension API.ErrorBody {
    /// Another node's words go into the log and the events, and from there to terminals: a sentence of them does.
    var printable: API.ErrorBody {
        API.ErrorBody(
            code: error.code.printable(max: 64), message: error.message.printable(max: 200),
            hint: error.hint?.printable(max: 200))
    }
}
