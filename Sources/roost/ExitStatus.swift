#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How `roost` ends: the numbers that scripts may rely on (most are those of sysexits.h).
enum ExitStatus: Int32, CaseIterable {
    case done = 0
    case failed = 1
    /// Also what swift-argument-parser itself exits with.
    case usage = 64
    /// No such resource or node.
    case notFound = 66
    /// No agent answers.
    case unreachable = 69
    /// Something is in the way, or a precondition does not hold.
    case conflict = 73
    /// Not enough copies, with `--strict`.
    case tryAgain = 75
    case notPermitted = 77
    case badConfiguration = 78
    /// Of an agent that its supervisor is to start again: `RestartForceExitStatus` of roost.service. The first number past
    /// those of sysexits.h.
    case restart = 79

    /// What the manual pages say of it.
    var meaning: String {
        switch self {
        case .done: "done"
        case .failed: "failed"
        case .usage: "wrong usage"
        case .notFound: "no such resource or node, or the home of a put is no member"
        case .unreachable: "no agent can be reached"
        case .conflict: "conflict: a precondition does not hold, a file is in the way, or a live node has the name"
        case .tryAgain: "try again: fewer copies than wanted (--strict), or the agent can not do it now"
        case .notPermitted: "not permitted"
        case .badConfiguration: "bad configuration"
        case .restart: "of an agent that was told to restart: its supervisor is to start it again"
        }
    }
}

/// What a verb throws to end the program: one line that names the cause, one that names the remedy, and the status.
struct CommandFailure: Error, CustomStringConvertible {
    let message: String
    let hint: String?
    let status: ExitStatus

    init(_ message: String, hint: String? = nil, status: ExitStatus = .failed) {
        self.message = message
        self.hint = hint
        self.status = status
    }

    var description: String { hint.map { "roost: \(message)\nhint: \($0)" } ?? "roost: \(message)" }

    /// Says it on stderr and ends the process.
    func exit() -> Never {
        Terminal.say(description)
        #if canImport(Glibc)
            Glibc.exit(status.rawValue)
        #else
            Darwin.exit(status.rawValue)
        #endif
    }
}
