/// Why a call to an agent, or a file beside it, did not work: what was being done, to what, why, and what to do next.
public enum ClientError: Error, Sendable, CustomStringConvertible {
    case badAddress(text: String, reason: String)
    /// The request itself can not be sent, for example for a line break in a header.
    case badRequest(reason: String)
    /// A connection carries one request at a time, and this one has one under way or is closed.
    case notIdle(AgentAddress)
    /// - nobodyListens: its host itself said so, so that it is there and the agent is not.
    case cannotConnect(to: AgentAddress, cause: String, remedy: String, nobodyListens: Bool = false)
    /// TLS failed: one side does not accept the other's certificate, or it is no TLS at all.
    case refused(by: AgentAddress, cause: String, remedy: String)
    case timedOut(AgentAddress, waitingFor: String, after: Duration)
    /// The connection ended before an answer began.
    case closed(by: AgentAddress, during: String, cause: String)
    /// The connection ended in the middle of an answer's body.
    case closedMidBody(by: AgentAddress, received: UInt64, expected: UInt64?, cause: String)
    /// What came is not HTTP, is past a bound, or contradicts what was asked.
    case badAnswer(from: AgentAddress, reason: String)
    case status(Int, API.ErrorBody.Problem, request: String, node: String?)
    case json(what: String, reason: String)
    /// The resource was written while it was being read: the two halves must not be spliced.
    case changed(name: String, was: String, now: String)
    case checksum(name: String, expected: String, actual: String)
    /// Our own certificate, key or CA is not usable.
    case credentials(folder: String, reason: String)
    /// Whoever read our standard output has gone: there is nobody to write for, and nothing to say.
    case outputClosed
    case file(path: String, doing: String, cause: String, remedy: String)

    public var description: String {
        switch self {
        case .badAddress(let text, let reason):
            "\"\(text)\" is not the address of an agent: \(reason); use unix:/path or https://host:port"
        case .badRequest(let reason): "the request can not be sent: \(reason)"
        case .notIdle(let address): "the connection to \(address) is busy or closed: open another one"
        case .cannotConnect(let address, let cause, let remedy, _):
            "cannot reach the agent at \(address): \(cause); \(remedy)"
        case .refused(let address, let cause, let remedy): "no secure connection to \(address): \(cause); \(remedy)"
        case .timedOut(let address, let what, let duration):
            "\(address) kept silent for \(duration) while waiting for \(what): check its load and the network, then try again"
        case .closed(let address, let during, let cause):
            "\(address) closed the connection during \(during): \(cause); try again"
        case .closedMidBody(let address, let received, let expected, let cause):
            "\(address) closed the connection at byte \(received)"
                + (expected.map { " of \($0)" } ?? "") + ": \(cause); try again to resume"
        case .badAnswer(let address, let reason):
            "\(address) gave an answer that is not understood: \(reason); is it a Roost agent of this version?"
        case .status(let code, let problem, let request, let node):
            "\(problem.message)" + (problem.hint.map { "; \($0)" } ?? "")
                + " (\(code) \(problem.code) from \(node ?? "the agent") for \(request))"
        case .json(let what, let reason): "not valid JSON of \(what): \(reason)"
        case .changed(let name, let was, let now):
            "\(name) changed while it was being read (from \(was) to \(now)): get it again"
        case .checksum(let name, let expected, let actual):
            "the bytes of \(name) have the SHA-256 \(actual), not \(expected): nothing was kept; get it again or from another node"
        case .credentials(let folder, let reason): "the certificates in \(folder) can not be used: \(reason)"
        case .outputClosed: "standard output was closed"
        case .file(let path, let doing, let cause, let remedy): "\(doing) \(path): \(cause); \(remedy)"
        }
    }

    /// The code of an answer whose own could not be read.
    static func unreadCode(status: Int) -> String { "http_\(status)" }

    /// An answer to a write by which it neither took place nor will: by this agent, another one may take it.
    public var saysNothingWasWritten: Bool {
        // An answer that broke off says nothing of the write.
        guard case .status(let code, let problem, _, _) = self, problem.code != Self.unreadCode(status: code) else {
            return false
        }
        return code == 507 || code == 503 && !API.ErrorBody.ofUnknownOutcome.contains(problem.code)
    }

    /// Whether asking again, here or at another agent, may work where this failed: for reads.
    public var isWorthAnotherAgent: Bool {
        switch self {
        case .cannotConnect, .refused, .timedOut, .closed, .closedMidBody, .notIdle: true
        case .status(let code, _, _, _): code == 502 || code == 503 || code == 504
        case .badAddress, .badRequest, .badAnswer, .json, .changed, .checksum, .file, .credentials, .outputClosed: false
        }
    }
}
