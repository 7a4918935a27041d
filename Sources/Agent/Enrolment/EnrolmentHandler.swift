import Authority
import NIOCore
import TLS

/// Stands right behind TLS. On a connection of a host that enrols it takes every byte, reads one small request, answers
/// and closes: nothing behind it, HTTP least of all, ever sees a byte of one without a certificate (law 8).
/// On every other connection it is not there to be noticed.
final class EnrolmentHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case passing
        case reading(ByteBuffer, binding: [UInt8])
        case answering
    }

    private let desk: EnrolmentDesk
    private let handshakes: Handshakes
    private let source: CallSource
    private let limits: ServerLimits
    private var state = State.passing
    /// At the desk, while it is held.
    private var place: UInt64?
    private var timer: Scheduled<Void>?

    init(desk: EnrolmentDesk, handshakes: Handshakes, source: CallSource, limits: ServerLimits) {
        self.desk = desk
        self.handshakes = handshakes
        self.source = source
        self.limits = limits
    }

    /// Asked from within the handshake, once.
    func admit(_ channel: any Channel) -> Bool {
        guard place == nil else { return true }
        place = desk.admit(channel, from: source)
        return place != nil
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        leave(succeeded: false)
    }

    private func leave(succeeded: Bool) {
        if let place { desk.leave(place, succeeded: succeeded) }
        place = nil
    }

    private func close(_ context: ChannelHandlerContext, after time: TimeAmount) {
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: time) { context.close(mode: .all, promise: nil) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let begun = event as? TLSEnrolmentBegun {
            handshakes.ended(context.channel, .enrolling)
            state = .reading(ByteBuffer(), binding: begun.binding)
            close(context, after: limits.enrolmentRequestTimeout)
            context.read()
            return
        }
        switch (state, event) {
        case (.passing, _): context.fireUserInboundEventTriggered(event)
        case (.reading, ChannelEvent.inputClosed): context.close(mode: .all, promise: nil)
        // Whoever has sent its request and says so is answered; the HTTP behind us would close.
        case (.answering, ChannelEvent.inputClosed): break
        case (.reading, _), (.answering, _): context.fireUserInboundEventTriggered(event)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .passing: context.fireChannelRead(data)
        case .answering: break
        case .reading(var buffer, let binding):
            var part = unwrapInboundIn(data)
            buffer.writeBuffer(&part)
            state = .reading(buffer, binding: binding)
            guard let count = buffer.getInteger(at: buffer.readerIndex, as: UInt16.self) else { return }
            guard Int(count) <= EnrolmentRequest.bytesMax, buffer.readableBytes <= Int(count) + 2 else {
                context.close(mode: .all, promise: nil)
                return
            }
            guard buffer.readableBytes == Int(count) + 2 else { return }
            state = .answering
            close(context, after: limits.enrolmentTimeout)
            if let place { desk.requestCame(place) }
            answer(Array(buffer.readableBytesView.dropFirst(2)), binding, context)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if case .reading = state { context.read() }
        context.fireChannelReadComplete()
    }

    private func answer(_ body: [UInt8], _ binding: [UInt8], _ context: ChannelHandlerContext) {
        let promise = context.eventLoop.makePromise(of: (bytes: [UInt8], granted: Bool).self)
        promise.completeWithTask { [desk, source] in await desk.answer(body, binding: binding, source: source) }
        promise.futureResult.assumeIsolated().whenSuccess { answer in
            // How long the other side takes over the answer is no longer the desk's.
            self.leave(succeeded: answer.granted)
            guard context.channel.isActive else { return }
            context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(bytes: answer.bytes)), promise: nil)
            context.close(mode: .all, promise: nil)
        }
    }
}

@available(*, unavailable)
extension EnrolmentHandler: Sendable {}
