import ArgumentParser
import Dispatch

/// `roost demo`: what `make demo` runs.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Run a cluster on this machine through join, leave, crash and return.",
        discussion: "Starts agents as processes of their own on 127.0.0.1 over UDP and TLS, with throw-away "
            + "certificates in a temporary folder, tells the story step by step and checks each. It leaves nothing "
            + "behind, but the agents' logs when a step fails.")

    @Option(help: "How many nodes; the story is about three of them.")
    var nodes: Int = 3
    @Flag(help: "Leave the cluster running after the story, until Ctrl-C.")
    var keep = false
    @Flag(help: "Print one JSON value a step.")
    var json = false

    func run() async throws {
        guard (DemoStory.main.count...DemoStory.nodesMax).contains(nodes) else {
            throw CommandFailure(
                "--nodes must be from \(DemoStory.main.count) to \(DemoStory.nodesMax), not \(nodes)", status: .usage)
        }
        let outcome = Outcome()
        do {
            // Removing what three agents stored can take a busy disk some seconds.
            try await Interrupt.guarding(patience: .seconds(15)) { try await tell(outcome) }
        } catch let code as ExitCode {
            // With --keep, Ctrl-C is how the show ends.
            guard await outcome.isKept else { throw code }
        }
    }

    private actor Outcome {
        private(set) var isKept = false
        func keep() { isKept = true }
    }

    private func tell(_ outcome: Outcome) async throws {
        let bystanders = Array(DemoStory.others.prefix(nodes - DemoStory.main.count))
        let cluster: DemoCluster
        do { cluster = try await DemoCluster.prepare(DemoStory.main + bystanders) } catch {
            throw CommandFailure("preparing the demo failed: \(error)")
        }
        let report = DemoReport(json: json)
        do {
            try await DemoStory(cluster: cluster, bystanders: bystanders, report: report).tell()
            try await report.end()
            if keep {
                await outcome.keep()
                try await explain(cluster)
                while true { try await Task.sleep(for: .milliseconds(500)) }
            }
            await cluster.tearDown(keepingLogs: false)
        } catch let broken as DemoReport.Broken {
            await cluster.tearDown(keepingLogs: true)
            throw CommandFailure("demo: \(broken)", hint: "the agents' logs are in \(cluster.folder.logs)")
        } catch {
            await cluster.tearDown(keepingLogs: false)
            throw error
        }
    }

    private func explain(_ cluster: DemoCluster) async throws {
        let roost = Executable.shown
        let certificates = cluster.folder.certificates("operator")
        let endpoint = try await cluster.endpoint("mkango")
        let socket = "--agent unix:\(cluster.socket(of: "simba"))"
        let secure = "--agent https://\(endpoint) --certs \(certificates)"
        Terminal.say(
            """

            The cluster is running. From another terminal, as admin through simba's unix socket:
              \(roost) members \(socket)
              \(roost) ls \(socket)
              \(roost) get notes/motto.txt \(socket)
            or as a client with a certificate over TLS, here to mkango:
              \(roost) status \(secure)
              \(roost) put FILE NAME \(secure)
              \(roost) where NAME \(secure)
            The agents' logs are in \(cluster.folder.logs).
            Ctrl-C here stops them all and removes \(cluster.folder.path).
            """)
    }
}
