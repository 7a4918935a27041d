import NIOCore
import NIOHTTP1
import Vocabulary

/// One request and its answer, as the event loop sees them.
final class Exchange {
    enum Sending {
        /// Head sent, the body waits for `100 Continue`, a final answer or the clock.
        case awaitingContinue(EventLoopPromise<Bool>)
        case body
        /// The body waits for the socket.
        case awaitingSocket(EventLoopPromise<Bool>)
        case done
        /// A final answer came first: nothing more is sent, and the connection can not be used again.
        case stopped
    }

    enum Receiving {
        case awaitingHead(EventLoopPromise<HTTPResponseHead>)
        case body(received: UInt64, expected: UInt64?, reusable: Bool)
    }

    let queue: BodyQueue
    let timeouts: ClientTimeouts
    let isHead: Bool
    var sending: Sending
    var receiving: Receiving
    var lastProgress: NIODeadline
    /// Of the request's body.
    var sentBytes: UInt64 = 0
    var idleTimer: Scheduled<Void>?
    var totalTimer: Scheduled<Void>?

    init(
        queue: BodyQueue, timeouts: ClientTimeouts, isHead: Bool, sending: Sending,
        head: EventLoopPromise<HTTPResponseHead>, now: NIODeadline
    ) {
        self.queue = queue
        self.timeouts = timeouts
        self.isHead = isHead
        self.sending = sending
        receiving = .awaitingHead(head)
        lastProgress = now
    }

    /// How long it may take; `nil` for ever.
    var silenceMax: Duration? {
        switch (sending, receiving) {
        case (.done, .awaitingHead), (.stopped, .awaitingHead): timeouts.silence(afterSending: sentBytes)
        case (.awaitingContinue, _), (.body, _), (.awaitingSocket, _), (_, .body): timeouts.idle
        }
    }

    /// What the other side owes us now; `nil` while it is our own turn.
    var waitingFor: String? {
        switch (sending, receiving) {
        case (.awaitingSocket, _): return "it to take the request's body"
        case (.awaitingContinue, _), (.body, .awaitingHead): return nil
        case (.done, .awaitingHead), (.stopped, .awaitingHead): return "its answer"
        case (_, .body): return queue.isPaused ? nil : "the rest of its answer"
        }
    }
}

/// The last handler of a client's channel: gives one exchange at a time its parts, keeps its clock, and turns every
/// way for a connection to end into the error of whoever waits.
final class ExchangeHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private let address: AgentAddress
    private let eventLoop: any EventLoop
    /// Told when an exchange has ended with the connection ready for the next.
    private let onIdle: @Sendable () -> Void
    /// Told when the connection serves no more; harmless twice.
    private let onClose: @Sendable () -> Void

    private var context: ChannelHandlerContext?
    private var exchange: Exchange?
    private var readIsHeld = false
    /// Why the connection ends; the first reason counts.
    private(set) var failure: (any Error)?

    init(
        address: AgentAddress, eventLoop: any EventLoop, onIdle: @escaping @Sendable () -> Void,
        onClose: @escaping @Sendable () -> Void
    ) {
        self.address = address
        self.eventLoop = eventLoop
        self.onIdle = onIdle
        self.onClose = onClose
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    // MARK: What the connection asks for, on the event loop

    func begin(_ exchange: Exchange, head: HTTPRequestHead, body: ByteBuffer?, complete: Bool) {
        guard let context, self.exchange == nil, failure == nil, context.channel.isActive else {
            fail(exchange, with: failure ?? ClientError.notIdle(address))
            return
        }
        self.exchange = exchange
        startTimers(exchange, context: context)
        // A refused head (a line break in a value) fails its write; a lost connection is reported by channelInactive.
        let promise = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        promise.futureResult.whenFailure { error in
            if error is HTTPParserError {
                bound.value.close(with: ClientError.badRequest(reason: "its header has a character that none may have"))
            }
        }
        context.write(wrapOutboundOut(.head(head)), promise: promise)
        if let body {
            exchange.sentBytes = UInt64(body.readableBytes)
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        }
        if complete { context.write(wrapOutboundOut(.end(nil)), promise: nil) }
        context.flush()
    }

    /// Sends a part of the body. `true`: go on; `false`: all is sent, or a final answer has come.
    ///
    /// The last part ends the request in the same write: an answer that comes right after it must find it complete.
    func send(_ part: ByteBuffer, isLast: Bool) -> EventLoopFuture<Bool> {
        let stop = eventLoop.makeSucceededFuture(false)
        guard let context, let exchange, case .body = exchange.sending else { return stop }
        exchange.lastProgress = .now()
        exchange.sentBytes += UInt64(part.readableBytes)
        context.write(wrapOutboundOut(.body(.byteBuffer(part))), promise: nil)
        if isLast {
            endBody()
            return stop
        }
        context.flush()
        guard self.exchange === exchange, case .body = exchange.sending else { return stop }
        if context.channel.isWritable { return eventLoop.makeSucceededFuture(true) }
        let promise = eventLoop.makePromise(of: Bool.self)
        exchange.sending = .awaitingSocket(promise)
        return promise.futureResult
    }

    func endBody() {
        guard let context, let exchange, case .body = exchange.sending else { return }
        exchange.sending = .done
        exchange.lastProgress = .now()
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func resumeReading() {
        exchange?.lastProgress = .now()
        guard readIsHeld, let context else { return }
        readIsHeld = false
        context.read()
    }

    func close(with error: any Error) {
        if failure == nil { failure = error }
        // Before whoever waits is told: who hears of the failure must find the connection closed.
        onClose()
        if let exchange { fail(exchange, with: error) }
        exchange = nil
        context?.close(promise: nil)
    }

    // MARK: What the channel tells

    func read(context: ChannelHandlerContext) {
        if exchange?.queue.isPaused == true {
            readIsHeld = true
        } else {
            context.read()
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let exchange else {
            close(with: ClientError.badAnswer(from: address, reason: "it answered though nothing was asked"))
            return
        }
        exchange.lastProgress = .now()
        switch unwrapInboundIn(data) {
        case .head(let head): receive(head, exchange)
        case .body(let buffer):
            guard case .body(let received, let expected, let reusable) = exchange.receiving else { return }
            exchange.receiving = .body(
                received: received + UInt64(buffer.readableBytes), expected: expected, reusable: reusable)
            exchange.queue.push(buffer)
        case .end: finish(exchange, context: context)
        }
    }

    private func receive(_ head: HTTPResponseHead, _ exchange: Exchange) {
        guard case .awaitingHead(let promise) = exchange.receiving else {
            close(with: ClientError.badAnswer(from: address, reason: "it answered twice"))
            return
        }
        let status = Int(head.status.code)
        guard status >= 200 else {
            if status == 100, case .awaitingContinue(let go) = exchange.sending {
                exchange.sending = .body
                go.succeed(true)
            }
            return
        }
        switch exchange.sending {
        case .awaitingContinue(let go), .awaitingSocket(let go):
            exchange.sending = .stopped
            go.succeed(false)
        case .body: exchange.sending = .stopped
        case .done, .stopped: break
        }
        var reusable = head.isKeepAlive
        if case .stopped = exchange.sending { reusable = false }
        let expected = exchange.isHead ? 0 : head.headers.first(name: "content-length").flatMap { UInt64($0) }
        exchange.receiving = .body(received: 0, expected: expected, reusable: reusable)
        promise.succeed(head)
    }

    private func finish(_ exchange: Exchange, context: ChannelHandlerContext) {
        guard case .body(_, _, let reusable) = exchange.receiving else { return }
        exchange.idleTimer?.cancel()
        exchange.totalTimer?.cancel()
        self.exchange = nil
        if reusable {
            onIdle()
        } else {
            failure = ClientError.notIdle(address)
            onClose()
            context.close(promise: nil)
        }
        exchange.queue.finish(.success(()))
        if readIsHeld {
            readIsHeld = false
            context.read()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, let exchange, case .awaitingSocket(let promise) = exchange.sending {
            exchange.lastProgress = .now()
            exchange.sending = .body
            promise.succeed(true)
        }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        close(with: ConnectionFailure.explain(error, address: address))
    }

    func channelInactive(context: ChannelHandlerContext) {
        onClose()
        if let exchange {
            fail(exchange, with: failure ?? ConnectionFailure.EndOfStream())
            self.exchange = nil
        }
        context.fireChannelInactive()
    }

    // MARK: Endings

    /// Tells all who wait on the exchange, in the words that fit how far it had come.
    private func fail(_ exchange: Exchange, with error: any Error) {
        exchange.idleTimer?.cancel()
        exchange.totalTimer?.cancel()
        switch exchange.receiving {
        case .awaitingHead(let promise):
            promise.fail(ConnectionFailure.beforeAnswer(error, address: address))
        case .body(let received, let expected, _):
            exchange.queue.finish(
                .failure(
                    ConnectionFailure.midBody(error, address: address, received: received, expected: expected)))
        }
        switch exchange.sending {
        case .awaitingContinue(let go), .awaitingSocket(let go): go.succeed(false)
        case .body, .done, .stopped: break
        }
        exchange.sending = .stopped
    }

    // MARK: The clock

    private func startTimers(_ exchange: Exchange, context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, exchange), eventLoop: context.eventLoop)
        if case .awaitingContinue = exchange.sending {
            context.eventLoop.scheduleTask(in: TimeAmount(exchange.timeouts.expectContinue)) {
                let (_, exchange) = bound.value
                if case .awaitingContinue(let go) = exchange.sending {
                    exchange.sending = .body
                    go.succeed(true)
                }
            }
        }
        if let total = exchange.timeouts.total {
            exchange.totalTimer = context.eventLoop.scheduleTask(in: TimeAmount(total)) {
                let (handler, exchange) = bound.value
                guard handler.exchange === exchange else { return }
                handler.close(
                    with: ClientError.timedOut(handler.address, waitingFor: "the end of its answer", after: total))
            }
        }
        if let idle = exchange.timeouts.idle { watch(exchange, in: TimeAmount(idle), context: context) }
    }

    /// One timer an exchange, set anew only when it fires: progress costs an assignment and no timer.
    private func watch(_ exchange: Exchange, in delay: TimeAmount, context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, exchange), eventLoop: context.eventLoop)
        exchange.idleTimer = context.eventLoop.scheduleTask(in: delay) {
            let (handler, exchange) = bound.value
            guard handler.exchange === exchange, let context = handler.context, let idle = exchange.silenceMax else {
                return
            }
            let limit = TimeAmount(idle)
            guard let what = exchange.waitingFor else { return handler.watch(exchange, in: limit, context: context) }
            let silence = NIODeadline.now() - exchange.lastProgress
            if silence >= limit {
                handler.close(with: ClientError.timedOut(handler.address, waitingFor: what, after: idle))
            } else {
                handler.watch(exchange, in: limit - silence, context: context)
            }
        }
    }
}
