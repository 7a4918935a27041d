import HTTPTypes
import Hummingbird
import NIOCore

/// A refusal as every client gets it: a status and `{"error":{"code":…,"message":…,"hint":…}}`.
public struct APIError: Error, HTTPResponseError, Hashable, CustomStringConvertible {
    public let status: HTTPResponse.Status
    /// A word for programs.
    public let code: String
    /// What was wrong, for people.
    public let message: String
    /// What to do next.
    public let hint: String?
    /// Such as `Retry-After`, `Allow` or `Content-Range`.
    public let headers: HTTPFields

    public init(
        _ status: HTTPResponse.Status, code: String, _ message: String, hint: String? = nil, headers: HTTPFields = [:]
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.headers = headers
    }

    public var description: String { "\(status.code) \(code): \(message)" }

    public func response(from request: Request, context: some RequestContext) throws -> Response { response }

    public var response: Response {
        var response = Response.json(body, status: status)
        response.headers.append(contentsOf: headers)
        return response
    }

    /// The body, for an answer that is none of the router's.
    var json: ByteBuffer { Response.jsonText(body) ?? ByteBuffer() }

    private var body: ErrorBody { ErrorBody(error: .init(code: code, message: message, hint: hint)) }

    private struct ErrorBody: Encodable {
        struct Problem: Encodable {
            let code: String
            let message: String
            let hint: String?
        }

        let error: Problem
    }
}

extension APIError {
    public static func badRequest(_ message: String, code: String = "bad_request", hint: String? = nil) -> APIError {
        APIError(.badRequest, code: code, message, hint: hint)
    }

    public static func forbidden(_ message: String, code: String = "forbidden", hint: String? = nil) -> APIError {
        APIError(.forbidden, code: code, message, hint: hint)
    }

    public static func notFound(_ message: String, code: String = "not_found", hint: String? = nil) -> APIError {
        APIError(.notFound, code: code, message, hint: hint)
    }

    public static func methodNotAllowed(_ method: HTTPRequest.Method, allowed: [HTTPRequest.Method]) -> APIError {
        let list = allowed.map(\.rawValue).joined(separator: ", ")
        return APIError(
            .methodNotAllowed, code: "method_not_allowed", "\(method.rawValue) does nothing here",
            hint: "allowed: \(list)", headers: [.allow: list])
    }

    public static func tooLarge(limit: Int) -> APIError {
        APIError(
            .contentTooLarge, code: "too_large", "the body has more than \(ByteCountText.show(limit))",
            hint: "a resource may be as large as the agent's limits.body")
    }

    public static func truncated(got: Int, of expected: Int) -> APIError {
        APIError(
            .badRequest, code: "truncated", "the body ended after \(got) of \(expected) bytes", hint: "send it again")
    }

    public static func unavailable(_ message: String, code: String, retryAfterSeconds: Int) -> APIError {
        APIError(
            .serviceUnavailable, code: code, message, hint: "try again in \(retryAfterSeconds) s",
            headers: [.retryAfter: String(retryAfterSeconds)])
    }

    /// - Parameter headers: what else is to be said of the resource.
    public static func unsatisfiable(size: Int, headers: HTTPFields = [:]) -> APIError {
        var fields = headers
        fields[.contentRange] = "bytes */\(size)"
        fields[.acceptRanges] = "bytes"
        return APIError(
            .rangeNotSatisfiable, code: "range_not_satisfiable", "no byte of the range is in the \(size) bytes",
            headers: fields)
    }

    /// The details stand in the agent's log: a client learns nothing of our inside.
    public static let inside = APIError(
        .internalServerError, code: "internal", "the agent failed on this request", hint: "its log tells why")
}
