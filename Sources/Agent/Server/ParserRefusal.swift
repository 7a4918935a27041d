import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTPTypes
import Vocabulary

/// What HTTP's parser refuses (no HTTP, or a head past its bounds) never reaches the router: Hummingbird answers it with
/// a bare 400. This gives that answer the node's name and the one JSON shape of every other refusal.
final class ParserRefusal: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let node: NodeName
    private let limits: ServerLimits

    init(node: NodeName, limits: ServerLimits) {
        self.node = node
        self.limits = limits
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // Every answer of ours names a node.
        guard case .head(var head) = unwrapOutboundIn(data), head.status == .badRequest,
            head.headerFields[.roostNode] == nil
        else { return context.write(data, promise: promise) }
        let refusal = APIError.badRequest(
            "this is no HTTP/1.1 request, or its head is past the bounds",
            hint: "a head has at most \(ByteCountText.show(limits.headerBytesMax)) in \(limits.headerFieldsMax) fields")
        let body = refusal.json
        head.headerFields[.roostNode] = node.text
        head.headerFields[.contentType] = Response.jsonType
        head.headerFields[.contentLength] = String(body.readableBytes)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(body)), promise: promise)
    }
}
