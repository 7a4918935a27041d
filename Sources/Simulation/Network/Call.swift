import Vocabulary

/// One request and its answer over the peers' channel (TLS, HTTP). Numbered by the caller, so that both ends and the
/// trace name it alike.
public struct CallID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let caller: HostID
    public let number: UInt64

    public static func < (a: CallID, b: CallID) -> Bool { (a.caller, a.number) < (b.caller, b.number) }
    public var description: String { "call \(caller).\(number)" }
}

/// Why a call had no answer. None of them says whether the request was carried out.
public enum CallFailure: Error, Hashable, Sendable {
    /// The host is there, but no agent runs on it.
    case refused
    /// The agent at the other end went away in the middle.
    case reset
    /// No answer in time: a cut, a power cut, a pause, an overload.
    case timedOut
    /// Another node has that address now: its certificate said so.
    case wrongPeer
}

/// A call under way.
struct CallInFlight<Machine: SimulatedMachine>: Sendable {
    enum Phase: Sendable {
        case request(Machine.Request, bytes: Int)
        /// The other end has it.
        case served(by: HostID)
        case response(Result<Machine.Response, CallFailure>, bytes: Int, from: HostID)
    }

    let endpoint: Endpoint
    let expecting: NodeName?
    let stallsAfter: Duration?
    /// The process that the connection leads to: the host's life when the call began.
    let life: UInt32?
    var phase: Phase
    /// Tries of the present leg while the way is cut.
    var attempts = 0

    /// How long until the next try: TCP's doubling, to at most 5 s.
    var retryDelay: Duration { .milliseconds(min(200 << min(attempts, 5), 5_000)) }
}
