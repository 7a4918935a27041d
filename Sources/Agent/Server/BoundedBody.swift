import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

/// A request's body as it comes, never more of it than was allowed and never less than was announced: an upload that
/// breaks off must not look like a shorter one.
public struct BoundedBody: AsyncSequence, Sendable {
    public typealias Element = ByteBuffer

    let body: RequestBody
    let limit: Int
    /// From `Content-Length`; nil for a chunked body, whose end the HTTP parser checks.
    public let announced: Int?
    let connection: Connection
    let expectsContinue: Bool
    let progress: BodyProgress

    public struct AsyncIterator: AsyncIteratorProtocol {
        var base: RequestBody.AsyncIterator
        let body: BoundedBody
        var received = 0
        var isFirst = true
        var pace = UploadPace()
        let clock = ContinuousClock()

        public mutating func next() async throws -> ByteBuffer? {
            if isFirst {
                isFirst = false
                // Only now: a refusal before this point costs the client no upload.
                if body.expectsContinue {
                    body.connection.channel.triggerUserOutboundEvent(RequestEvent.sendContinue, promise: nil)
                }
            }
            let began = clock.now
            guard let buffer = try await nextPart() else {
                if let announced = body.announced, received < announced {
                    throw APIError.truncated(got: received, of: announced)
                }
                body.progress.complete()
                return nil
            }
            let (total, overflow) = received.addingReportingOverflow(buffer.readableBytes)
            guard !overflow, total <= body.limit else { throw APIError.tooLarge(limit: body.limit) }
            received = total
            guard pace.take(buffer.readableBytes, after: clock.now - began) else { throw APIError.tooSlow }
            return buffer
        }

        private mutating func nextPart() async throws -> ByteBuffer? {
            do { return try await base.next() } catch is CancellationError { throw CancellationError() } catch {
                throw BrokenUpload(cause: error)
            }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: body.makeAsyncIterator(), body: self)
    }

    /// The whole body in memory: for JSON, not for resources.
    public func collect() async throws -> ByteBuffer {
        var whole = ByteBuffer()
        for try await var part in self { whole.writeBuffer(&part) }
        return whole
    }
}

extension Request {
    /// The body, to be read once.
    ///
    /// - Throws: 413 at once when the request announces more than `limit`, and while reading when it brings more.
    public func boundedBody(upTo limit: Int, context: APIContext) throws(APIError) -> BoundedBody {
        var announced: Int?
        if let text = headers[.contentLength] {
            guard let length = Int(text), length >= 0 else { throw .badRequest("Content-Length is not a number") }
            guard length <= limit else { throw .tooLarge(limit: limit) }
            announced = length
        }
        return BoundedBody(
            body: body, limit: limit, announced: announced, connection: context.connection,
            expectsContinue: headers[.expect]?.lowercased() == "100-continue", progress: context.bodyProgress)
    }

    /// A small JSON body as a value; 400 with what is wrong with it.
    public func json<Value: Decodable>(
        _ type: Value.Type, upTo limit: Int = 64 * 1024, context: APIContext
    ) async throws -> Value {
        let buffer = try await boundedBody(upTo: limit, context: context).collect()
        do {
            return try JSONDecoder().decode(type, from: Data(buffer.readableBytesView))
        } catch let error as DecodingError {
            throw APIError.badRequest(
                "the body is not the JSON expected here: \(Self.explain(error))", code: "bad_json")
        }
    }

    private static func explain(_ error: DecodingError) -> String {
        func path(_ context: DecodingError.Context) -> String {
            let keys = context.codingPath.map(\.stringValue)
            return keys.isEmpty ? "the value" : "\"\(keys.joined(separator: "."))\""
        }
        switch error {
        case .keyNotFound(let key, let context): return "\(path(context)) has no \"\(key.stringValue)\""
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            return "\(path(context)) is not of the type expected"
        case .dataCorrupted(let context): return "\(path(context)) can not be read"
        @unknown default: return "it can not be read"
        }
    }

    /// Whether bytes of a body follow the head.
    var announcesBody: Bool {
        if headers[.transferEncoding] != nil { return true }
        return headers[.contentLength].map { $0 != "0" } ?? false
    }
}
