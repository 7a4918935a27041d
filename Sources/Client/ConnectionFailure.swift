import NIOCore
import NIOHTTP1
import NIOPosix
import TLS
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// From the errors of the layers below to `ClientError`: the one place that knows both.
enum ConnectionFailure {
    /// The other side closed in order, at a moment when it should not have.
    struct EndOfStream: Error, CustomStringConvertible {
        var description: String { "the agent ended it" }
    }

    static func explain(_ error: any Error, address: AgentAddress) -> any Error {
        switch error {
        case let error as ClientError: error
        case let error as TLSError where isRefusal(error): tls(error, address: address)
        case HTTPParserError.invalidEOFState: EndOfStream()
        case let error as HTTPParserError: ClientError.badAnswer(from: address, reason: "\(error)")
        default: error
        }
    }

    static func beforeAnswer(_ error: any Error, address: AgentAddress) -> any Error {
        keeps(error) ? error : ClientError.closed(by: address, during: "the wait for its answer", cause: text(error))
    }

    static func midBody(_ error: any Error, address: AgentAddress, received: UInt64, expected: UInt64?) -> any Error {
        keeps(error)
            ? error
            : ClientError.closedMidBody(by: address, received: received, expected: expected, cause: text(error))
    }

    static func connecting(_ error: any Error, address: AgentAddress, timeout: Duration) -> any Error {
        switch error {
        case let error as ClientError: return error
        case let error as CancellationError: return error
        case let error as TLSError where isRefusal(error): return tls(error, address: address)
        case is ChannelError:
            return ClientError.cannotConnect(
                to: address, cause: "no answer within \(timeout)", remedy: remedy(address))
        default:
            return ClientError.cannotConnect(
                to: address, cause: text(error), remedy: remedy(address), nobodyListens: isPortClosed(error))
        }
    }

    private static func isPortClosed(_ error: any Error) -> Bool {
        switch error {
        case let error as IOError: error.errnoCode == ECONNREFUSED
        case let error as NIOConnectionError:
            !error.connectionErrors.isEmpty && error.connectionErrors.allSatisfy { isPortClosed($0.error) }
        default: false
        }
    }

    private static func remedy(_ address: AgentAddress) -> String {
        switch address {
        case .unix:
            "is the agent running, and may this user open its socket? `--agent https://host:port` asks another one"
        case .https: "is the agent running there, and does a firewall let its TCP port through?"
        }
    }

    /// Errors that a caller made or named itself pass unchanged.
    private static func keeps(_ error: any Error) -> Bool { error is ClientError || error is CancellationError }

    private static func tls(_ error: TLSError, address: AgentAddress) -> ClientError {
        .refused(by: address, cause: "\(error)", remedy: "check --certs and the agent's certificate")
    }

    /// Whether one side does not accept the other, as opposed to a connection that broke.
    private static func isRefusal(_ error: TLSError) -> Bool {
        switch error {
        case .credentials, .refusedPeer, .refusedByPeer, .oldVersion, .noCommonProtocol, .alert: true
        case .notTLS, .truncated, .closedDuringHandshake, .handshakeTimeout, .closed, .tooMuchBeforeHandshake,
            .tooManyControlMessages, .authenticationFailed, .wrongLength, .openssl:
            false
        }
    }

    static func text(_ error: any Error) -> String {
        switch error {
        case let error as IOError: SystemErrors.text(error.errnoCode)
        case let error as NIOConnectionError:
            if let first = error.connectionErrors.first {
                text(first.error)
            } else if let resolving = error.dnsAAAAError ?? error.dnsAError {
                "its name \(error.host) does not resolve (\(text(resolving)))"
            } else {
                "no address of \(error.host) answered"
            }
        case let error as any CustomStringConvertible: error.description
        default: "\(error)"
        }
    }
}
