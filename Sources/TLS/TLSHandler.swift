// TLS for one channel: ciphertext towards the network, plaintext towards the application, ByteBuffers on both sides.
//
//   idle ──active──► handshaking ──verified──► active ──► closing ──► closed
//                         └────── refused, timeout ─────────▲
//
// `TLSHandler.swift` holds what it knows and what arrives, `+Writing` what leaves, `+Closing` how it ends,
// `+Expiry` when it must.
import NIOCore
import Vocabulary

/// A server's or client's end of one mutually verified TLS 1.3 connection.
///
/// - Fires `TLSHandshakeCompleted` once, before any plaintext; plaintext never passes before the peer is verified.
///   (Of a host that comes to enrol: `TLSEnrolmentBegun`, and whoever stands behind must let nothing pass.)
/// - Fires a `TLSError` at most once, and closes the channel by itself after it.
/// - Ends when the peer's certificate, or one above it, ends.
/// - A close delivers all that was flushed before, at the pace at which the peer takes it.
/// - Peer's close_notify: `ChannelEvent.inputClosed` where the channel allows remote half-closure, else a close.
/// - Is not removable: there is no way back to plaintext on a connection that was secured.
/// - Does not resume reading by itself once the handshake is done: `read()` is the application's.
public final class TLSHandler: ChannelDuplexHandler {
    public typealias InboundIn = ByteBuffer
    public typealias InboundOut = ByteBuffer
    public typealias OutboundIn = ByteBuffer
    public typealias OutboundOut = ByteBuffer

    enum State {
        case idle
        case handshaking
        case active(Halves)
        case closing(Closing)
        case closed
    }

    /// Which directions of an active connection still carry plaintext.
    enum Halves {
        case both
        /// The peer has sent close_notify; we may still write.
        case outputOnly
        /// We have sent close_notify; the peer may still write.
        case inputOnly
    }

    enum Closing {
        /// The last bytes (close_notify) are on their way to the socket.
        case flushing
        /// Our last bytes are an alert, or a server's last answer. What still arrives is read and thrown away until the
        /// peer hangs up, because a socket closed over unread bytes resets, and a reset may overtake what we said.
        case lingering
    }

    /// Who is waiting for bytes.
    enum Demand {
        /// Nobody asked since the last plaintext; what comes by itself (a second message of one read) is passed on.
        case nobody
        /// We read for the handshake; plaintext that comes with it waits until the application asks.
        case handshake
        case application
    }

    /// How long a closing connection waits for a peer that takes nothing of our last bytes. At half, a WAN link that
    /// lost a few packets in a row is cut; at double, a stuck peer holds a connection twice as long.
    static let closeTimeout = TimeAmount.seconds(5)
    /// How much a peer must take in that time to be given as much again: 200 B/s, slower than any link in use. The
    /// channel's high water mark (64 KiB) is gone within 64 such rounds.
    static let closeBytesMin: UInt64 = 1_024
    /// How long a refused peer has to hang up. Two WAN round trips and a lost packet fit; a stubborn one costs no more.
    static let lingerTimeout = TimeAmount.seconds(1)
    /// One plaintext message at most: 16 records. More is passed on in several.
    static let plaintextBytesMax = 256 * 1_024

    /// The verified peer, once the handshake is complete.
    public internal(set) var identity: PeerIdentity?

    let role: TLSSession.Role
    let tls: TLSContext
    let handshakeTimeout: TimeAmount
    var state = State.idle
    /// Present while handshaking, active or closing.
    var session: TLSSession?
    /// The handshake's deadline, the end of the peer's certificate, the flush's or the lingering's deadline: never two
    /// at once.
    var timer: Scheduled<Void>?
    /// Fulfilled when our close_notify and all before it has left; set once our direction is closed.
    var goodbye: EventLoopFuture<Void>?
    /// The wall clock in Unix seconds, which certificates go by; a test brings its own.
    var wallSeconds: () -> Int64 = WallClock.seconds
    /// How far the peer has got with what we sent; a test brings its own.
    var acknowledgedBytes: (any Channel) -> EventLoopFuture<UInt64>? = SendProgress.acknowledgedBytes
    var pending = PendingWrites()
    /// Whether what was written before the end of the handshake was flushed, too.
    var flushIsPending = false
    var closePromise: EventLoopPromise<Void>?
    private var demand = Demand.nobody
    private var firstBytesSeen = false
    private var isDelivering = false
    /// Given away when it is asked for.
    private var turn: Turn?
    /// Nothing is read meanwhile: what comes waits in the kernel.
    private var isWaitingForTurn = false

    private init(role: TLSSession.Role, context: TLSContext, handshakeTimeout: TimeAmount, turn: Turn?) {
        self.role = role
        self.turn = turn
        tls = context
        self.handshakeTimeout = handshakeTimeout
    }

    /// The accepting side. Any certificate of the context's own cluster passes; its role is the API's to judge.
    ///
    /// - Parameters:
    ///   - admits: whether a host without a certificate that asks for nothing but to enrol may come in, asked on the event
    ///     loop; then `TLSEnrolmentBegun` is fired in place of `TLSHandshakeCompleted`. Nil: none may.
    ///   - turn: asked on the event loop, once, when a ClientHello is complete; it calls back there, now or later, and only
    ///     then the key exchange and the signature are made. Nil: at once.
    public static func server(
        context: TLSContext, handshakeTimeout: TimeAmount = .seconds(10), admits: (() -> Bool)? = nil,
        turn: Turn? = nil
    ) -> TLSHandler {
        TLSHandler(
            role: .server(admits: admits, waitsForTurn: turn != nil), context: context,
            handshakeTimeout: handshakeTimeout, turn: turn)
    }

    public typealias Turn = (@escaping () -> Void) -> Void

    /// The calling side. Only a node of the context's own cluster passes, and only the one that is expected.
    public static func client(
        context: TLSContext, expecting expected: ExpectedPeer, handshakeTimeout: TimeAmount = .seconds(10)
    ) -> TLSHandler {
        TLSHandler(role: .client(expected), context: context, handshakeTimeout: handshakeTimeout, turn: nil)
    }

    // MARK: What arrives

    public func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { start(context) }
    }

    public func channelActive(context: ChannelHandlerContext) {
        start(context)
        context.fireChannelActive()
    }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        switch state {
        case .handshaking:
            session?.wire.receive(bytes)
            continueHandshake(context)
        case .active(.both), .active(.inputOnly):
            session?.wire.receive(bytes)
            deliverUnlessHeld(context)
        case .active(.outputOnly), .closing, .closed:
            // After close_notify or a refusal nothing that arrives has a meaning.
            break
        case .idle:
            // Bytes before channelActive: no transport of ours does that, and without a session nobody can read them.
            break
        }
    }

    public func channelReadComplete(context: ChannelHandlerContext) {
        switch state {
        case .handshaking:
            if case .nobody = demand { demand = .handshake }
            if !isWaitingForTurn { context.read() }
        case .active(.both), .active(.inputOnly):
            // Part of a record satisfies nobody: read on. Asking twice is harmless.
            if case .application = demand { context.read() }
            if case .handshake = demand, !hasHeldBytes { demand = .nobody }
        case .closing(.flushing), .closing(.lingering):
            context.read()
        case .idle, .active(.outputOnly), .closed:
            break
        }
        context.fireChannelReadComplete()
    }

    public func read(context: ChannelHandlerContext) {
        demand = .application
        if hasHeldBytes, !isDelivering {
            deliver(context)
            context.fireChannelReadComplete()
        }
        // Also after that: a channel that reads by itself (autoRead) counts on each of its reads reaching it.
        context.read()
    }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? ChannelEvent, case .inputClosed = event else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        switch state {
        case .active(.outputOnly):
            // Announced when close_notify came.
            break
        case .closing(.lingering): finish(context)
        case .closing(.flushing): break
        case .idle, .closed: context.fireUserInboundEventTriggered(event)
        case .handshaking, .active(.both), .active(.inputOnly): streamEnded(context)
        }
    }

    public func channelInactive(context: ChannelHandlerContext) {
        streamEnded(context)
        release(failing: .closed)
        context.fireChannelInactive()
    }

    public func handlerRemoved(context: ChannelHandlerContext) {
        release(failing: .closed)
    }

    // MARK: The handshake

    private func start(_ context: ChannelHandlerContext) {
        guard case .idle = state else { return }
        do throws(TLSError) {
            session = try TLSSession(context: tls, role: role)
        } catch {
            fail(error, context)
            return
        }
        state = .handshaking
        arm(handshakeTimeout, context) { handler, context in
            let milliseconds = handler.handshakeTimeout.nanoseconds / 1_000_000
            handler.fail(.handshakeTimeout(milliseconds: milliseconds), context)
        }
        continueHandshake(context)
        // The application may not read before it knows its peer; the handshake needs bytes all the same.
        if case .handshaking = state, case .nobody = demand {
            demand = .handshake
            context.read()
        }
    }

    private func waitForTurn(_ context: ChannelHandlerContext) {
        guard let turn else { return }
        self.turn = nil
        isWaitingForTurn = true
        turn { [self] in
            isWaitingForTurn = false
            guard case .handshaking = state else { return }
            session?.takeTurn()
            continueHandshake(context)
            if case .handshaking = state { context.read() }
        }
    }

    private func continueHandshake(_ context: ChannelHandlerContext) {
        guard let session else { return }
        if !firstBytesSeen, session.wire.inbound.readableBytes > 0 {
            switch FirstBytes(session.wire.inbound) {
            case .tooFew: return
            case .plain(let bytes):
                fail(.notTLS(bytes), context)
                return
            case .tls: firstBytesSeen = true
            }
        }
        switch session.handshake() {
        case .needsBytes: sendWire(context)
        case .needsTurn: waitForTurn(context)
        case .failed(let error): fail(error, context)
        case .enrolling(let binding):
            timer?.cancel()
            timer = nil
            state = .active(.both)
            sendWire(context)
            guard case .active = state else { return }
            context.fireUserInboundEventTriggered(TLSEnrolmentBegun(binding: binding))
            deliverUnlessHeld(context)
        case .complete(let identity):
            timer?.cancel()
            timer = nil
            self.identity = identity
            state = .active(.both)
            watchExpiry(context)
            sendWire(context)
            // The socket may have failed under that.
            guard case .active = state else { return }
            context.fireUserInboundEventTriggered(TLSHandshakeCompleted(identity: identity))
            sendEarlyWrites(context)
            deliverUnlessHeld(context)
        }
    }

    // MARK: Plaintext to the application

    private var hasHeldBytes: Bool {
        guard let session else { return false }
        switch state {
        case .active(.both), .active(.inputOnly): return session.hasBytes
        case .idle, .handshaking, .active(.outputOnly), .closing, .closed: return false
        }
    }

    private func deliverUnlessHeld(_ context: ChannelHandlerContext) {
        switch demand {
        case .handshake: break
        case .nobody, .application: deliver(context)
        }
    }

    /// Decrypts and passes on all that has arrived. The application may close, write or read from within.
    private func deliver(_ context: ChannelHandlerContext) {
        guard !isDelivering else { return }
        isDelivering = true
        defer { isDelivering = false }
        while hasHeldBytes, let session {
            var plaintext = context.channel.allocator.buffer(
                capacity: min(session.wire.inbound.readableBytes, Self.plaintextBytesMax))
            let step = session.read(into: &plaintext, limit: Self.plaintextBytesMax)
            // A peer's key update is answered at once, not with the next write.
            sendWire(context)
            guard case .active = state else { return }
            if plaintext.readableBytes > 0 {
                demand = .nobody
                context.fireChannelRead(wrapInboundOut(plaintext))
            }
            switch step {
            case .needsBytes: return
            case .full: continue
            case .closeNotify: peerFinished(context)
            case .failed(let error): fail(error, context)
            }
            return
        }
    }

    /// The transport has no more bytes for us.
    private func streamEnded(_ context: ChannelHandlerContext) {
        switch state {
        case .idle: break
        case .handshaking: fail(.closedDuringHandshake, context)
        case .active(.both), .active(.inputOnly):
            // Nobody will ask again, and an alert or close_notify may be among what was held.
            deliver(context)
            switch state {
            case .active(.both), .active(.inputOnly): fail(.truncated, context)
            case .idle, .handshaking, .active(.outputOnly), .closing, .closed: break
            }
        case .active(.outputOnly), .closing, .closed: break
        }
    }
}

@available(*, unavailable)
extension TLSHandler: Sendable {}
