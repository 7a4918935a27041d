import Glibc

/// One child process. An actor, since a process id may only be signalled while nobody has reaped it.
actor ChildProcess {
    enum Ending: Hashable, Sendable, CustomStringConvertible {
        case exited(Int32)
        case killed(signal: Int32)

        var description: String {
            switch self {
            case .exited(let status): "exit status \(status)"
            case .killed(let signal): "signal \(signal)"
            }
        }
    }

    /// What a child gets of us: nothing but what stands here. Its standard output and error go to one file.
    struct Start: Sendable {
        var executable: String
        /// Without the name of the program itself, which is the executable's.
        var arguments: [String]
        /// Appended to.
        var logPath: String
        /// `nil` is /dev/null.
        var standardInput: Int32?
        /// `0` makes a group of its own, with the child as its leader.
        var group: pid_t = 0
        /// For this child only, over what we have.
        var environment: [String: String] = [:]
    }

    nonisolated let pid: pid_t
    nonisolated let logPath: String
    private var ending: Ending?

    /// How often an end is looked for; nothing else depends on it.
    private static let pollInterval = Duration.milliseconds(10)

    private init(pid: pid_t, logPath: String) {
        self.pid = pid
        self.logPath = logPath
    }

    static func spawn(_ start: Start) throws -> ChildProcess {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input = start.standardInput {
            posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        } else {
            posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_addopen(
            &actions, STDOUT_FILENO, start.logPath, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)

        // Signals as a program that a shell started has them: what we ignore or block is our own affair.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var all = sigset_t()
        var none = sigset_t()
        sigfillset(&all)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, start.group)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

        let name = start.executable == Executable.path ? "roost" : start.executable
        let environment = Environment.withoutSettings.merging(start.environment) { $1 }
        var pid: pid_t = 0
        let failure = withCStrings([name] + start.arguments) { arguments in
            withCStrings(environment.map { "\($0.key)=\($0.value)" }.sorted()) { environment in
                posix_spawn(&pid, start.executable, &actions, &attributes, arguments, environment)
            }
        }
        guard failure == 0 else {
            throw DemoFailure("starting \(start.executable) failed: \(String(cString: strerror(failure)))")
        }
        return ChildProcess(pid: pid, logPath: start.logPath)
    }

    /// How it ended, once it has.
    func poll() -> Ending? {
        if ending == nil {
            var status: Int32 = 0
            if waitpid(pid, &status, WNOHANG) == pid {
                // The macros of <sys/wait.h> are not imported.
                let signal = status & 0x7F
                ending = signal == 0 ? .exited((status >> 8) & 0xFF) : .killed(signal: signal)
            }
        }
        return ending
    }

    func send(_ signal: Int32) {
        if poll() == nil { kill(pid, signal) }
    }

    /// - Returns: `nil` when it runs on after the limit.
    func end(within limit: Duration) async throws -> Ending? {
        let deadline = ContinuousClock.now + limit
        while true {
            if let ending = poll() { return ending }
            if ContinuousClock.now >= deadline { return nil }
            try await Task.sleep(for: Self.pollInterval)
        }
    }

    /// Kills it and waits for the kernel to have let go of its port and its files; not interrupted by cancellation.
    func stop() async {
        send(SIGKILL)
        while poll() == nil {
            // A killed process ends within moments; sleeping by the thread's clock since the task may be cancelled.
            await Task.detached { try? await Task.sleep(for: Self.pollInterval) }.value
        }
    }

    private static func withCStrings<Result>(
        _ texts: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { preconditionFailure("it has at least the nil at its end") }
            return body(base)
        }
    }
}
