import Glibc

/// Sees to it that no child outlives this process, however it ends, SIGKILL included.
///
/// A shell of five lines leads the process group of all children and waits for the end of a pipe that only this
/// process holds open. When that comes (the kernel closes it with the process), it ends its group and takes the
/// folder away. In the ordinary case `close` does both at once, and the shell goes with the rest.
struct ProcessGuard: Sendable {
    private let shell: ChildProcess
    private let pipe: Int32

    /// The group that every child must be started in.
    var group: pid_t { shell.pid }

    /// SIGUSR1 since agents do not catch it: they end at once, as by SIGKILL, which the shell could not survive.
    /// A file may appear while the folder is being removed, hence more than one try.
    private static let script = """
        trap '' USR1
        read -r nothing
        kill -USR1 0
        for try in 1 2 3 4 5 6 7 8 9; do rm -rf -- "$1" && exit; done
        """

    /// - Parameter folder: what to remove.
    static func start(removing folder: String) throws -> ProcessGuard {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else {
            throw DemoFailure("making a pipe failed: \(String(cString: strerror(errno)))")
        }
        // Nothing else starts processes here, so the gap between the two calls lets nobody inherit an end.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { Glibc.close(ends[0]) }
        do {
            let shell = try ChildProcess.spawn(
                ChildProcess.Start(
                    executable: "/bin/sh", arguments: ["-c", script, "roost-guard", folder], logPath: "/dev/null",
                    standardInput: ends[0]))
            return ProcessGuard(shell: shell, pipe: ends[1])
        } catch {
            Glibc.close(ends[1])
            throw error
        }
    }

    /// Kills every child that is left. Those started by others' `ChildProcess` are still theirs to reap.
    func close() async {
        kill(-group, SIGKILL)
        await shell.stop()
        Glibc.close(pipe)
    }
}
