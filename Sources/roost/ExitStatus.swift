#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How `roost` ends: the numbers that scripts may rely on (most are those of sysexits.h).
enum ExitStatus: Int32 {
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
