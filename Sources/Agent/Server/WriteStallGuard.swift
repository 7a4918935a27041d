import NIOCore

/// Stands next to the socket and closes a connection whose reader takes nothing for a while, so that slow readers do
/// not fill the table of connections: Hummingbird's own idle timer stops while an answer is being written.
final class WriteStallGuard: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let timeout: TimeAmount
    private var pending = 0
    private var lastProgress = NIODeadline.now()
    private var check: Scheduled<Void>?

    init(timeout: TimeAmount) { self.timeout = timeout }

    func handlerRemoved(context: ChannelHandlerContext) {
        check?.cancel()
        check = nil
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let promise = promise ?? context.eventLoop.makePromise(of: Void.self)
        if pending == 0 { lastProgress = .now() }
        pending += 1
        promise.futureResult.assumeIsolated().whenComplete { _ in
            self.pending -= 1
            self.lastProgress = .now()
        }
        context.write(data, promise: promise)
        if check == nil { scheduleCheck(context, in: timeout) }
    }

    private func scheduleCheck(_ context: ChannelHandlerContext, in delay: TimeAmount) {
        check = context.eventLoop.assumeIsolated().scheduleTask(in: delay) {
            self.check = nil
            guard self.pending > 0 else { return }
            let stalled = NIODeadline.now() - self.lastProgress
            if stalled >= self.timeout {
                context.close(mode: .all, promise: nil)
            } else {
                self.scheduleCheck(context, in: self.timeout - stalled)
            }
        }
    }
}
