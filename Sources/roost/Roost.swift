import ArgumentParser

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The command line: one verb a file, listed here.
@main
struct Roost: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "roost",
        abstract: "Keeps small resources available on a group of peers that come, go and fail.",
        version: version,
        subcommands: [
            // One verb a line.
            AgentCommand.self,
            InitCommand.self,
            InviteCommand.self,
            EnrollCommand.self,
            RenewCommand.self,
            CsrCommand.self,
            CaCommand.self,
            PutCommand.self,
            GetCommand.self,
            RmCommand.self,
            LsCommand.self,
            FindCommand.self,
            HistoryCommand.self,
            ConflictsCommand.self,
            WhereCommand.self,
            MembersCommand.self,
            StatusCommand.self,
            PeersCommand.self,
            RttCommand.self,
            RingCommand.self,
            PlanCommand.self,
            EventsCommand.self,
            KeysCommand.self,
            DoctorCommand.self,
            JoinCommand.self,
            LeaveCommand.self,
            RestartCommand.self,
            ScrubCommand.self,
            ForgetCommand.self,
            RevokeCommand.self,
            DemoCommand.self,
            SoakCommand.self,
            ManualCommand.self,
        ])

    /// ArgumentParser's own, but for the failures that carry their exit status.
    static func main() async {
        // A reader who has gone is told by the write's error, which ends us as quietly.
        signal(SIGPIPE, SIG_IGN)
        do {
            try refuseOtherText()
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            failure.exit()
        } catch {
            exit(withError: error)
        }
    }

    /// Swift mends arguments that are not UTF-8, each to the same: two names would become one.
    private static func refuseOtherText() throws {
        for argument in UnsafeBufferPointer(start: CommandLine.unsafeArgv, count: Int(CommandLine.argc)) {
            guard let argument, String(validatingCString: argument) == nil else { continue }
            throw CommandFailure(
                "\"\(String(cString: argument))\" is not UTF-8, as names are",
                hint: "a file of such a name can be read from standard input: roost put - NAME < FILE", status: .usage)
        }
    }
}
