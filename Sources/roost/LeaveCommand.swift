import ArgumentParser
import Client

struct LeaveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leave", abstract: "Hand over what the agent asked holds, then make it leave and stop.")

    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Leave at once; the others copy what was held here from their own copies.")
    var now = false
    @Option(help: "Seconds that the hand-over may take. Default: the agent's leave.timeout.")
    var timeout: Int?
    @Flag(help: "Print one JSON value.")
    var json = false

    func validate() throws {
        if let timeout, !(1...86_400).contains(timeout) { throw ValidationError("--timeout must be from 1 to 86400.") }
    }

    func run() async throws {
        try await connection.run(firstOnly: true) { client in
            let result = try await leave(client)
            if json {
                try Terminal.print(json: result)
            } else {
                Terminal.print(
                    "\(result.node) has left: \(HumanUnits.bytes(result.bytes)) handed over in "
                        + HumanUnits.duration(milliseconds: result.durationMilliseconds))
            }
            if result.complete, let copies = result.copies, let wanted = result.wanted,
                (1..<max(1, wanted)).contains(copies)
            {
                Terminal.say(
                    "roost: only \(copies) \(copies == 1 ? "member is" : "members are") there to hold what it held: "
                        + "\(copies) of \(wanted) copies of each, until others come back or join")
            }
            if !result.complete, !now, result.copies == 0 {
                throw CommandFailure(
                    "\(Self.counted(result)) are on its disk alone: no other member is there" + Self.named(result),
                    hint: "start it again when others are there to take them over", status: .tryAgain)
            }
            if !result.complete && !now {
                let full = (result.withoutRoom ?? []).map(\.node).joined(separator: ", ")
                throw CommandFailure(
                    "\(Self.counted(result)) were not confirmed by enough others"
                        + (full.isEmpty ? "" : ": there is no room on \(full)") + Self.named(result),
                    hint: "they are on its disk: start it again to finish, "
                        + (full.isEmpty ? "with a longer leave.timeout" : "when there is room on others"),
                    status: .tryAgain)
            }
        }
    }

    /// More would hide the line before them; `--json` has a hundred.
    private static let namesShownMax = 20

    private static func named(_ result: API.LeaveResult) -> String {
        guard let told = result.leftBehind else { return "" }
        let shown = told.prefix(namesShownMax)
        let rest = (result.leftBehindMore.map { told.count &+ $0 } ?? result.remaining) &- shown.count
        var lines = shown.map { "  \($0)" }
        if rest > 0 {
            lines.append(shown.isEmpty ? "  (the disk did not give the names in time)" : "  and \(rest) more")
        }
        return lines.map { "\n" + $0 }.joined()
    }

    /// `7 resources and 2 deleted names of simba (1.2 MiB)`
    private static func counted(_ result: API.LeaveResult) -> String {
        let resources = result.leftBehindMore.map { $0 &+ (result.leftBehind ?? []).count } ?? result.remaining
        let deleted = result.deletedBehind ?? 0
        return "\(resources) resources" + (deleted > 0 ? " and \(deleted) deleted names" : "") + " of \(result.node)"
            + (result.remainingBytes.map { " (\(HumanUnits.bytes($0)))" } ?? "")
    }

    /// The leave itself, and beside it, on a connection of its own, how far it is.
    private func leave(_ client: AgentClient) async throws -> API.LeaveResult {
        let bar = Terminal.progressBar("leaving")
        defer { bar.finish() }
        let watcher = try connection.clientOfFirst()
        return try await withThrowingTaskGroup(of: API.LeaveResult?.self) { group in
            group.addTask { [now, timeout] in
                try await client.leave(now: now, timeout: timeout.map { .seconds($0) })
            }
            group.addTask {
                var course = LeaveCourse()
                // It is only to look at: an agent that does not answer any more has better things to do.
                while let status = try? await watcher.status() {
                    course.look(at: status, bar)
                    do { try await Task.sleep(for: .milliseconds(300)) } catch { break }
                }
                await watcher.close()
                return nil
            }
            defer { group.cancelAll() }
            do {
                while let result = try await group.next() {
                    if let result { return result }
                }
            } catch is CancellationError {
                bar.finish()
                Terminal.say("roost: the agent goes on leaving; roost status says how far it is")
                throw CancellationError()
            }
            throw CommandFailure("the agent gave no answer")
        }
    }
}
