import NIOCore
import TLS

/// Stands next to the socket and closes a connection whose reader takes nothing of its answer for a while, or next to
/// nothing, so that slow readers do not fill the table of connections: Hummingbird's own idle timer stops while an answer
/// is being written.
///
/// Only time counts in which bytes wait here for the reader: never the agent's own time over them, its disk's or another
/// node's. What is counted is what the reader's host has acknowledged. A write is done only when the kernel has room for
/// it, which it makes in large steps, so that one now and then says little of the pace, either way.
final class WriteStallGuard: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct Pace: Sendable {
        /// In each window of this length, in time that was waited for the reader, …
        var window: TimeAmount
        /// … so many bytes a second are to be taken.
        var bytesPerSecondMin: Int

        fileprivate var step: TimeAmount { .nanoseconds(max(1, window.nanoseconds / Int64(WriteStallGuard.steps))) }

        /// Of a window; at least one, so that nothing at all is never enough.
        fileprivate var bytesMin: UInt64 {
            UInt64(max(1, Double(bytesPerSecondMin) * Double(window.nanoseconds) / 1_000_000_000))
        }
    }

    typealias Acknowledged = (any Channel) -> EventLoopFuture<UInt64>?

    /// It is looked once in each of so many parts of a window. At half, a reader that stops keeps its place for half a
    /// window longer than it may; at double, there are twice as many looks, for an eighth of one.
    private static let steps = 4

    private let pace: Pace
    private let connection: Connection
    private let acknowledged: Acknowledged
    private var pending = 0
    private var writesDone: UInt64 = 0
    /// Since the last look, up to `waitingSince`.
    private var waited = TimeAmount.zero
    /// While something is pending.
    private var waitingSince = NIODeadline.uptimeNanoseconds(0)
    /// What had been taken at the last looks, a window of them.
    private var looks: [UInt64] = []
    private var check: Scheduled<Void>?
    private var isRemoved = false

    /// - Parameter acknowledged: how far the reader has got; a test brings its own.
    init(pace: Pace, connection: Connection, acknowledged: @escaping Acknowledged = SendProgress.acknowledgedBytes) {
        self.pace = pace
        self.connection = connection
        self.acknowledged = acknowledged
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        isRemoved = true
        check?.cancel()
        check = nil
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let loop = context.eventLoop
        let promise = promise ?? loop.makePromise(of: Void.self)
        if pending == 0 { waitingSince = loop.now }
        pending += 1
        promise.futureResult.assumeIsolated().whenComplete { _ in
            self.pending -= 1
            self.writesDone &+= 1
            if self.pending == 0 { self.waited = self.waited + (loop.now - self.waitingSince) }
        }
        context.write(data, promise: promise)
        if check == nil { scheduleCheck(context) }
    }

    private func scheduleCheck(_ context: ChannelHandlerContext) {
        check = context.eventLoop.assumeIsolated().scheduleTask(in: max(.milliseconds(1), pace.step - waited)) {
            self.check = nil
            if self.pending > 0 {
                let now = context.eventLoop.now
                self.waited = self.waited + (now - self.waitingSince)
                self.waitingSince = now
            }
            if self.waited >= self.pace.step {
                self.waited = .zero
                self.look(context)
            }
            if self.pending > 0, !self.isRemoved { self.scheduleCheck(context) }
        }
    }

    private func look(_ context: ChannelHandlerContext) {
        // Where nobody counts bytes (the unix socket), the writes are what there is: one is enough.
        guard let asked = acknowledged(context.channel) else { return judge(writesDone, 1, context) }
        asked.assumeIsolated().whenComplete { result in
            switch result {
            // Events come when they come: of those something is enough.
            case .success(let bytes): self.judge(bytes, self.connection.tellsEvents ? 1 : self.pace.bytesMin, context)
            case .failure: self.judge(self.writesDone, 1, context)
            }
        }
    }

    /// - Parameters:
    ///   - taken: since the connection began.
    ///   - least: of a window.
    private func judge(_ taken: UInt64, _ least: UInt64, _ context: ChannelHandlerContext) {
        guard !isRemoved else { return }
        looks.append(taken)
        guard looks.count > Self.steps else { return }
        let before = looks.removeFirst()
        if taken < before.addingReportingOverflow(least).partialValue { context.close(mode: .all, promise: nil) }
    }
}

@available(*, unavailable)
extension WriteStallGuard: Sendable {}
