import NIOCore
import Synchronization

@testable import TLS

/// The application at the end of a pipeline: it writes down what happens to it, readable from any thread.
final class Recorder: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    struct Record {
        var identity: PeerIdentity?
        var handshakes = 0
        var errors: [any Error] = []
        var received: [UInt8] = []
        var receivedBytes = 0
        var bytesBeforeHandshake = 0
        var inputClosed = 0
        var inactive = false
        var readCompletes = 0
        var largestRead = 0

        var tlsErrors: [TLSError] { errors.compactMap { $0 as? TLSError } }
    }

    private let state = Mutex(Record())
    private let keepsBytes: Bool

    init(keepsBytes: Bool = true) { self.keepsBytes = keepsBytes }

    var record: Record { state.withLock { $0 } }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        state.withLock { record in
            if record.handshakes == 0 { record.bytesBeforeHandshake += buffer.readableBytes }
            record.receivedBytes += buffer.readableBytes
            record.largestRead = max(record.largestRead, buffer.readableBytes)
            if keepsBytes { record.received.append(contentsOf: buffer.readableBytesView) }
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        state.withLock { $0.readCompletes += 1 }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        state.withLock { record in
            if let completed = event as? TLSHandshakeCompleted {
                record.handshakes += 1
                record.identity = completed.identity
            }
            if let closed = event as? ChannelEvent, case .inputClosed = closed { record.inputClosed += 1 }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        state.withLock { $0.errors.append(error) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        state.withLock { $0.inactive = true }
    }
}
