import Client
import NIOCore

/// One answer of the API as a program sees it: what tests of status and header fields look at.
struct Answer: Sendable {
    let status: Int
    let headers: HeaderFields
    let body: [UInt8]

    var route: [String] {
        (headers["roost-route"] ?? "").split(separator: ",").map { String($0.drop { $0 == " " }) }
    }

    /// The code of an error, as CONTRACT's `{error:{code, …}}` has it.
    var errorCode: String? { try? API.JSON.decode(API.ErrorBody.self, from: body).error.code }

    func value<T: Decodable>(_ type: T.Type) throws -> T { try API.JSON.decode(type, from: body) }
}

extension AgentClient {
    /// Any request and whatever comes back.
    func ask(_ method: String, _ path: String, _ headers: HeaderFields = [:], body: [UInt8]? = nil) async throws
        -> Answer
    {
        let response = try await send(
            ClientRequest(
                method, path, headers: headers, body: body.map { .bytes(ByteBuffer(bytes: $0)) } ?? .none))
        let buffer = try await response.body.collect(upTo: 64 << 20)
        return Answer(status: response.status, headers: response.headers, body: Array(buffer.readableBytesView))
    }
}

extension Array where Element: Sendable {
    func asyncMap<T>(_ transform: (Element) async throws -> T) async rethrows -> [T] {
        var all: [T] = []
        for element in self { all.append(try await transform(element)) }
        return all
    }
}
