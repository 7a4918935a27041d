import ArgumentParser
import Client

struct ScrubCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scrub",
        abstract: "Have the node asked check all bytes on its disk now, and repair what is wrong.",
        discussion: "Waits for the end, which scrub.rate decides; a wait that is broken off leaves the check running. "
            + "Exits with 1 when bytes are left that no other node could give.")

    /// What to do about bytes that are wrong here and that nobody who answers has.
    static let remedy = """
        start the nodes that are down; `roost events` names what is lacking; what no node has any more comes back with a put \
        of the same bytes, and is forgotten with a `roost rm` of the name
        """

    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Print one JSON value: how the check ended.")
    var json = false

    func run() async throws {
        try await connection.run { client in
            let bar = Terminal.progressBar("scrub")
            defer { bar.finish() }
            let begun = try await client.scrub()
            let ended = try await wait(for: begun, client, bar)
            bar.finish()
            guard ended.lastPass != begun.lastPass else {
                throw CommandFailure("the check broke off", hint: "the agent's log says why; it is tried again later")
            }
            if json {
                try Terminal.print(json: ended)
            } else {
                Terminal.print(
                    "\(ended.checked) blobs checked (\(HumanUnits.bytes(ended.bytes))), "
                        + "\(ended.rotten &- begun.rotten) rotten, \(ended.repaired &- begun.repaired) repaired, "
                        + "\(ended.unrepaired) lacking")
            }
            guard ended.unrepaired == 0 else {
                throw CommandFailure(
                    "\(ended.unrepaired) blobs are lacking, and no node that answers has them",
                    hint: Self.remedy)
            }
        }
    }

    private func wait(
        for begun: API.ScrubStatus, _ client: AgentClient, _ bar: ProgressBar
    ) async throws -> API.ScrubStatus {
        while true {
            guard let scrub = try await client.status().scrub else {
                throw CommandFailure("the agent says nothing of its check", hint: "it is older than this command")
            }
            if scrub.passes > begun.passes || scrub.passes == begun.passes && !scrub.running { return scrub }
            // The pass before it, which gives way to it, is not to be seen.
            if scrub.passes == begun.passes { bar.update(scrub.bytes, of: max(scrub.total, scrub.bytes)) }
            try await Task.sleep(for: .milliseconds(200))
        }
    }
}
