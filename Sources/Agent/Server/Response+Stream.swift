import HTTPTypes
import Hummingbird
import NIOCore

/// Why a body that was being sent had to be broken off: nothing else tells the client by then that it is not whole.
struct BrokenBody: Error, CustomStringConvertible {
    let description: String
}

extension Response {
    /// An answer whose bytes come from a sequence, one buffer at a time: the next is only asked for when the socket
    /// has taken the last.
    ///
    /// - Parameters:
    ///   - count: the exact count of bytes; nil for an answer in chunks (a stream of events).
    ///   - loop: the connection's. A write returns before the loop has encrypted it, and a socket that takes all at once
    ///     never shows as full: a source faster than TLS would queue up its whole file there. So each buffer waits until
    ///     the loop is through with the one before.
    public static func stream<Bytes: AsyncSequence & Sendable>(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], count: Int?, pacedBy loop: (any EventLoop)? = nil,
        _ bytes: Bytes
    ) -> Response where Bytes.Element == ByteBuffer {
        Response(
            status: status, headers: headers,
            body: ResponseBody(contentLength: count) { writer in
                var sent = 0
                // Waited for only when the next buffer is there: the disk reads while the loop encrypts.
                var encrypted: EventLoopFuture<Void>?
                for try await buffer in bytes {
                    sent += buffer.readableBytes
                    if let count, sent > count {
                        throw BrokenBody(description: "a body of \(count) bytes brought more")
                    }
                    try await encrypted?.get()
                    try await writer.write(buffer)
                    encrypted = loop?.submit {}
                }
                if let count, sent < count {
                    throw BrokenBody(description: "a body of \(count) bytes ended after \(sent)")
                }
                try await writer.finish(nil)
            })
    }

    /// 304: what the client has is what there is.
    public static func notModified(etag: String) -> Response {
        var response = Response(status: .notModified, headers: [.eTag: etag])
        response.headers[.contentLength] = nil
        return response
    }
}
