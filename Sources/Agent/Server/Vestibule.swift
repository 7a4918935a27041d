import HummingbirdCore
import NIOCore
import TLS

/// Where a connection over TLS waits until the other side has said something to answer: before that nothing is made for it, no
/// session of OpenSSL, no HTTP, no task. So who opens connections and keeps silent, or says one byte, costs this node little
/// more than the `accept`, and others come in past them.
final class Vestibule: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// Makes what is behind this handler.
    ///
    /// - Parameter timeLeft: of `timeout`.
    typealias Enter = (_ timeLeft: TimeAmount) -> EventLoopFuture<Void>

    private let connection: Connection
    private let timeout: TimeAmount
    private let failures: TLSFailures
    private let enter: Enter
    private var said = ByteBuffer()
    private var since = NIODeadline.now()
    private var timer: Scheduled<Void>?
    /// Somebody else looks after the connection, or it has ended.
    private var isOver = false

    /// - Parameter timeout: for the whole handshake, from here on.
    init(_ connection: Connection, timeout: TimeAmount, failures: TLSFailures, enter: @escaping Enter) {
        self.connection = connection
        self.timeout = timeout
        self.failures = failures
        self.enter = enter
    }

    // Those behind hear of it when they are there.
    func channelActive(context: ChannelHandlerContext) {
        since = .now()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: timeout) {
            self.end(.handshakeTimeout(milliseconds: self.timeout.nanoseconds / 1_000_000), context)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return context.fireChannelRead(data) }
        said.writeImmutableBuffer(unwrapInboundIn(data))
        guard FirstBytes.suffice(said) else { return }
        isOver = true
        timer?.cancel()
        let timeLeft = max(.milliseconds(1), timeout - (NIODeadline.now() - since))
        enter(timeLeft).assumeIsolated().whenComplete { result in
            guard case .success = result else { return context.close(mode: .all, promise: nil) }
            context.fireChannelActive()
            context.fireChannelRead(self.wrapInboundOut(self.said))
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(.closedDuringHandshake, context)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed as ChannelEvent: end(.closedDuringHandshake, context)
        case is ChannelShouldQuiesceEvent where !isOver: context.close(mode: .all, promise: nil)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    private func end(_ error: TLSError, _ context: ChannelHandlerContext) {
        guard !isOver else { return }
        isOver = true
        timer?.cancel()
        failures.record(error, from: connection.remoteAddress)
        context.close(mode: .all, promise: nil)
    }
}
