import Hummingbird
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// What a handler knows about a request besides the request: who asks, from where, over which connection.
public struct APIContext: RequestContext {
    public var coreContext: CoreRequestContextStorage
    public let caller: Caller
    /// Numeric address and port of the other side; `unix` for the unix socket.
    public let remoteAddress: String
    let connection: Connection
    /// Whether the body was read to its end: else a refusal closes the connection.
    let bodyProgress: BodyProgress

    /// Where the connection's bytes are encrypted.
    var loop: any EventLoop { connection.channel.eventLoop }

    public struct Source: RequestContextSource {
        public let logger: Logger
        let connection: Connection
    }

    public init(source: Source) {
        coreContext = CoreRequestContextStorage(source: source)
        connection = source.connection
        caller = source.connection.caller
        remoteAddress = source.connection.remoteAddress
        bodyProgress = BodyProgress()
    }
}

/// Shared by the copies of one request's context.
final class BodyProgress: Sendable {
    private let read = NIOLockedValueBox(false)

    var isComplete: Bool { read.withLockedValue { $0 } }
    func complete() { read.withLockedValue { $0 = true } }
}
