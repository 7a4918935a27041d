// How a connection ends: by us (close_notify, flushed, then the socket), by the peer, or by a refusal whose alert must
// still reach the other side. Each wait has its bound.
import NIOCore

extension TLSHandler {
    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch (mode, state) {
        case (.input, _):
            context.close(mode: .input, promise: promise)
        case (.output, .active(.both)):
            state = .active(.inputOnly)
            goodbye = sayGoodbye(context)
            // The channel sends what is pending before it shuts the socket's output.
            context.close(mode: .output, promise: promise)
        case (.output, .active(.inputOnly)):
            promise?.fail(ChannelError.outputClosed)
        case (.all, .active(.both)):
            adopt(promise, context)
            closeGracefully(context, peerMaySend: true)
        case (.all, .active(.inputOnly)):
            adopt(promise, context)
            closeGracefully(context, peerMaySend: true)
        case (.all, .active(.outputOnly)), (.output, .active(.outputOnly)):
            adopt(promise, context)
            closeGracefully(context, peerMaySend: false)
        case (_, .closing):
            adopt(promise, context)
        case (_, .idle), (_, .handshaking):
            // Nothing is promised to a peer that is not known yet.
            release(failing: .closed)
            context.close(mode: .all, promise: promise)
        case (_, .closed):
            context.close(mode: mode, promise: promise)
        }
    }

    /// The peer sent close_notify.
    func peerFinished(_ context: ChannelHandlerContext) {
        switch state {
        case .active(.both):
            let mayStayHalfOpen =
                (try? context.channel.syncOptions?.getOption(ChannelOptions.allowRemoteHalfClosure)) ?? false
            if mayStayHalfOpen {
                state = .active(.outputOnly)
                context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            } else {
                closeGracefully(context, peerMaySend: false)
            }
        case .active(.inputOnly):
            // Both sides have said goodbye, and ours may still be on its way behind much that was flushed.
            closeGracefully(context, peerMaySend: false)
        case .idle, .handshaking, .active(.outputOnly), .closing, .closed:
            break
        }
    }

    /// Ends the connection for a reason that the application is told, and, by an alert, the peer where there is one.
    func fail(_ error: TLSError, _ context: ChannelHandlerContext) {
        switch state {
        case .closing, .closed: return
        case .idle, .handshaking, .active: break
        }
        timer?.cancel()
        timer = nil
        state = .closing(.lingering)
        failPending(error)
        let lastWords = lastWords(for: error)
        let sent = context.eventLoop.makePromise(of: Void.self)
        if let lastWords {
            context.writeAndFlush(wrapOutboundOut(lastWords), promise: sent)
        } else {
            sent.succeed()
        }
        context.fireErrorCaught(error)
        guard case .closing = state else { return }
        guard lastWords != nil, context.channel.isActive else {
            finish(context)
            return
        }
        // Reading goes on while the alert is on its way, also when the peer does not take it.
        arm(Self.lingerTimeout, context) { $0.finish($1) }
        sent.futureResult.assumeIsolated().whenComplete { _ in
            if case .closing(.lingering) = self.state { self.linger(context) }
        }
    }

    /// The end: the socket is closed, and whoever waits for that is told.
    func finish(_ context: ChannelHandlerContext) {
        let promise = closePromise
        closePromise = nil
        release(failing: .closed)
        context.close(mode: .all, promise: promise)
    }

    /// Lets go of everything; the state is `closed` afterwards, and every promise is kept.
    func release(failing error: TLSError) {
        timer?.cancel()
        timer = nil
        state = .closed
        session = nil
        let closed = closePromise
        closePromise = nil
        failPending(error)
        closed?.succeed()
    }

    private func failPending(_ error: TLSError) {
        for promise in pending.drop() { promise.fail(error) }
    }

    func arm(
        _ time: TimeAmount, _ context: ChannelHandlerContext,
        _ action: @escaping (TLSHandler, ChannelHandlerContext) -> Void
    ) {
        timer?.cancel()
        // Holds the handler until it fires or is cancelled, which every way out of the state does.
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: time) { action(self, context) }
    }

    /// A server that closes while the client still sends (a refused upload) lingers, so that its answer is not lost to
    /// a reset. A client has no last word that matters, and does not wait.
    private func closeGracefully(_ context: ChannelHandlerContext, peerMaySend: Bool) {
        let lingers = if case .server = role { peerMaySend } else { false }
        // First of all: writers whose promises fail now may write or close again.
        state = .closing(.flushing)
        // The peer's FIN right behind its close_notify must not make the channel drop what we still have to send.
        try? context.channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
        awaitFlush(context, acknowledgedBefore: nil)
        let sent = goodbye ?? sayGoodbye(context)
        sent.assumeIsolated().whenComplete { _ in
            guard case .closing(.flushing) = self.state else { return }
            if lingers, context.channel.isActive { self.linger(context) } else { self.finish(context) }
        }
        // A peer that first sends all of its own and then reads gets to the reading.
        if case .closing(.flushing) = state { context.read() }
    }

    /// Gives the peer one more `closeTimeout`, again and again while it takes at least `closeBytesMin` in each. So a
    /// slow link gets everything, a stuck peer is cut, and the wait is bounded by what was flushed.
    private func awaitFlush(_ context: ChannelHandlerContext, acknowledgedBefore before: UInt64?) {
        arm(Self.closeTimeout, context) { $0.finish($1) }
        acknowledgedBytes(context.channel)?.assumeIsolated().whenComplete { result in
            guard case .closing(.flushing) = self.state, case .success(let now) = result else { return }
            if let before, now < before.addingReportingOverflow(Self.closeBytesMin).partialValue {
                self.finish(context)
            } else {
                self.arm(Self.closeTimeout, context) { $0.awaitFlush($1, acknowledgedBefore: now) }
            }
        }
    }

    /// Shuts our output and throws away what still comes, until the peer hangs up or the time is over.
    private func linger(_ context: ChannelHandlerContext) {
        state = .closing(.lingering)
        arm(Self.lingerTimeout, context) { $0.finish($1) }
        context.close(mode: .output, promise: nil)
        context.read()
    }

    /// Puts close_notify behind everything that was flushed. What was written and not flushed is lost, as in any
    /// channel that is closed.
    private func sayGoodbye(_ context: ChannelHandlerContext) -> EventLoopFuture<Void> {
        let sent = context.eventLoop.makePromise(of: Void.self)
        failPending(.closed)
        session?.sendCloseNotify()
        let notify = session?.wire.takeOutbound() ?? ByteBuffer()
        context.writeAndFlush(wrapOutboundOut(notify), promise: sent)
        return sent.futureResult
    }

    private func adopt(_ promise: EventLoopPromise<Void>?, _ context: ChannelHandlerContext) {
        guard let promise else { return }
        guard let first = closePromise else {
            closePromise = promise
            return
        }
        first.futureResult.cascade(to: promise)
    }

    private func lastWords(for error: TLSError) -> ByteBuffer? {
        if case .notTLS(.http) = error, case .server = role { return ByteBuffer(string: FirstBytes.answerToHTTP) }
        guard let session, session.wire.outbound.readableBytes > 0 else { return nil }
        return session.wire.takeOutbound()
    }
}
