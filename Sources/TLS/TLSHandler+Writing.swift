// What leaves: plaintext is encrypted on flush, or as soon as four records of it have gathered, so that the channel's
// writability sees it.
import NIOCore

extension TLSHandler {
    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let buffer = unwrapOutboundIn(data)
        switch state {
        case .idle, .handshaking:
            guard pending.bytes + buffer.readableBytes <= PendingWrites.bytesMaxBeforeHandshake else {
                // The stream would go on behind a hole that only this writer knows of: there is no stream any more.
                let error = TLSError.tooMuchBeforeHandshake(limitBytes: PendingWrites.bytesMaxBeforeHandshake)
                promise?.fail(error)
                fail(error, context)
                return
            }
            pending.append(buffer, promise)
        case .active(.both), .active(.outputOnly):
            pending.append(buffer, promise)
            if pending.bytes >= PendingWrites.bytesToEncryptAt { encryptPending(context) }
        case .active(.inputOnly), .closing, .closed:
            promise?.fail(TLSError.closed)
        }
    }

    public func flush(context: ChannelHandlerContext) {
        switch state {
        case .idle, .handshaking: flushIsPending = true
        case .active(.both), .active(.outputOnly):
            encryptPending(context)
            context.flush()
        case .active(.inputOnly), .closing, .closed: context.flush()
        }
    }

    /// What was written before the peer was known goes out now.
    func sendEarlyWrites(_ context: ChannelHandlerContext) {
        guard flushIsPending else { return }
        flushIsPending = false
        flush(context: context)
    }

    /// Encrypts all that is pending and hands it to the channel as one buffer, unflushed.
    func encryptPending(_ context: ChannelHandlerContext) {
        guard !pending.isEmpty, let session else { return }
        do throws(TLSError) {
            try pending.encrypt(with: session)
        } catch {
            fail(error, context)
            return
        }
        let promises = pending.takePromises()
        let ciphertext = wrapOutboundOut(session.wire.takeOutbound())
        guard promises.count > 1 else {
            context.write(ciphertext, promise: promises.first)
            return
        }
        // One buffer, many writers: all of them learn what becomes of it.
        let all = context.eventLoop.makePromise(of: Void.self)
        all.futureResult.whenComplete { result in
            for promise in promises { promise.completeWith(result) }
        }
        context.write(ciphertext, promise: all)
    }

    /// Sends what OpenSSL itself has to say: handshake messages, key updates.
    func sendWire(_ context: ChannelHandlerContext) {
        guard let session, session.wire.outbound.readableBytes > 0 else { return }
        context.writeAndFlush(wrapOutboundOut(session.wire.takeOutbound()), promise: nil)
    }
}
