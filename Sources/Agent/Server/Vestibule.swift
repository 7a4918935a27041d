import HummingbirdCore
import NIOCore
import TLS

/// Where a connection over TLS waits until the other side has said something to answer: before that nothing is made for it, no
/// session of OpenSSL, no HTTP, no task. So who opens connections and keeps silent, or says one byte, costs this node little
/// more than the `accept`, and others come in past them.
final class Vestibule: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer

    /// Makes what is behind this handler.
    ///
    /// - Parameter timeLeft: of `timeout`.
    typealias Enter = (_ timeLeft: TimeAmount) -> EventLoopFuture<Void>

    private let connection: Connection
    private let timeout: TimeAmount
    private let failures: TLSFailures
    private let enter: Enter
    private enum Stage { case listening, entering, over }

    private var said = ByteBuffer()
    private var since = NIODeadline.now()
    private var timer: Scheduled<Void>?
    private var stage = Stage.listening

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
        guard stage != .over else { return context.fireChannelRead(data) }
        said.writeImmutableBuffer(unwrapInboundIn(data))
        guard stage == .listening, FirstBytes.suffice(said) else { return }
        stage = .entering
        timer?.cancel()
        let timeLeft = max(.milliseconds(1), timeout - (NIODeadline.now() - since))
        enter(timeLeft).assumeIsolated().whenComplete { result in
            guard case .success = result else { return context.close(mode: .all, promise: nil) }
            self.stage = .over
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
        case ChannelEvent.inputClosed as ChannelEvent where stage == .listening: end(.closedDuringHandshake, context)
        case is ChannelShouldQuiesceEvent where stage == .listening:
            close(context: context, mode: .all, promise: nil)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    /// This node ends it, to make room or at its own end: that is no failure of the other side.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if stage == .listening {
            stage = .over
            timer?.cancel()
        }
        context.close(mode: mode, promise: promise)
    }

    private func end(_ error: TLSError, _ context: ChannelHandlerContext) {
        guard stage == .listening else { return }
        stage = .over
        timer?.cancel()
        failures.record(error, from: connection.remoteAddress)
        context.close(mode: .all, promise: nil)
    }
}
