import NIOCore
import NIOHTTPTypes

/// Ends a connection whose request's body stopped coming. Hummingbird's timer does that, too, but between the requests of a
/// node it waits for long (`ServerLimits.nodeIdleTimeout`), and has one time for both.
final class BodyStallGuard: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    private let timeout: TimeAmount
    private var timer: Scheduled<Void>?
    private var lastRead = NIODeadline.now()

    init(timeout: TimeAmount) { self.timeout = timeout }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastRead = .now()
        switch unwrapInboundIn(data) {
        case .head: watch(context, until: lastRead + timeout)
        case .body: break
        case .end:
            timer?.cancel()
            timer = nil
        }
        context.fireChannelRead(data)
    }

    private func watch(_ context: ChannelHandlerContext, until deadline: NIODeadline) {
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            let due = lastRead + timeout
            if due > .now() { watch(context, until: due) } else { context.close(mode: .all, promise: nil) }
        }
    }
}
