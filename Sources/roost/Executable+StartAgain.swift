import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

extension Executable {
    /// Where this program is on disk, or, when it was replaced since (an upgrade), its successor.
    static var installedPath: String? {
        guard let shown = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else { return nil }
        let replaced = " (deleted)"
        return shown.hasSuffix(replaced) ? String(shown.dropLast(replaced.count)) : shown
    }

    /// Puts a new start of the program into this process: the same process id, arguments and environment, for an agent that
    /// nobody else would start again.
    ///
    /// - Returns: only when that failed, why.
    static func startAgain() -> CommandFailure {
        guard let installedPath else { return CommandFailure("the program's own path can not be read") }
        // As a program that was started anew has them: threads of the runtime block signals, and an agent ignores those
        // that it takes from a queue.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        for number in [SIGTERM, SIGINT, SIGHUP] { signal(number, SIG_DFL) }
        // What is still open, such as a connection whose end is on its way, ends here.
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? [] {
            if let descriptor = Int32(name), descriptor > STDERR_FILENO { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        }
        var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) }
        arguments.append(nil)
        // The environment stays as it is; nothing is freed, for there is nobody to come back to.
        execv(installedPath, arguments)
        return CommandFailure(
            "could not start \(installedPath) again: \(String(cString: strerror(errno)))",
            hint: "start the agent again by hand", status: .restart)
    }
}
