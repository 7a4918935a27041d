import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

extension Executable {
    /// More than reading the configuration and the certificates takes on a host that is busy with moves.
    private static let checkMax = Duration.seconds(20)

    /// Asks the program on disk, which may be a newer one, whether it would start with this process's arguments and
    /// environment and with the configuration as it is now (`roost agent --check`).
    ///
    /// - Returns: why not; `nil` when it would, or when it does not say so.
    static func refusalToStart() async -> String? {
        guard let installedPath else { return nil }
        let log = FileManager.default.temporaryDirectory.appending(path: "roost-check-\(UUID().uuidString)").path
        defer { unlink(log) }
        let check = ChildProcess.Start(
            executable: installedPath, arguments: CommandLine.arguments.dropFirst() + ["--check"], logPath: log,
            environment: ProcessInfo.processInfo.environment)
        do {
            let child = try ChildProcess.spawn(check)
            let ending = try? await child.end(within: checkMax)
            if ending == nil { await child.stop() }
            guard ending == .exited(ExitStatus.badConfiguration.rawValue) else { return nil }
            let said = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            let lines = said.split(separator: "\n").map {
                $0.hasPrefix("roost: ") ? String($0.dropFirst(7)) : String($0)
            }
            return lines.isEmpty ? "its configuration is not valid" : lines.joined(separator: "; ")
        } catch {
            // The check itself may have found no room for what it says: only a program that is not there tells of the start.
            return access(installedPath, X_OK) == 0 ? nil : "\(installedPath) can not be started: \(error)"
        }
    }

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
