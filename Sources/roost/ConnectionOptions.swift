import ArgumentParser
import Client

/// Which agent, and as whom: the same for every verb that asks one.
struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The agent to ask: unix:/path or https://host[:port]; more, tried in order: again, or with commas.",
            discussion: "Default: $ROOST_AGENT, or else unix:/run/roost/roost.sock. "
                + "join, leave and restart are about the agent asked: they ask the first alone."))
    var agent: [String] = []

    @Option(
        help: ArgumentHelp(
            "The folder with ca.pem, cert.pem and key.pem; needed for https.", discussion: "Default: $ROOST_CERTS."),
        completion: .directory)
    var certs: String?

    func addresses() throws -> [AgentAddress] {
        let lists = agent.isEmpty ? [Environment["ROOST_AGENT"] ?? ""] : agent
        let texts = lists.flatMap { $0.split(separator: ",") }.map { String($0.trimming(" ")) }.filter { !$0.isEmpty }
        guard !texts.isEmpty else {
            guard agent.isEmpty else { throw CommandFailure("--agent names no agent", status: .usage) }
            return [.standard]
        }
        var addresses: [AgentAddress] = []
        for text in texts {
            do { addresses.append(try AgentAddress(parsing: text)) } catch { throw CommandFailure(client: error) }
        }
        return addresses
    }

    var certificates: String? { certs ?? Environment["ROOST_CERTS"] }

    /// A client of the agents named.
    ///
    /// - Parameters:
    ///   - addresses: others than those of the options, such as a node's own.
    ///   - node: who must answer there.
    func client(addresses: [AgentAddress]? = nil, node: String? = nil) throws -> AgentClient {
        let agents = try addresses ?? self.addresses()
        let needsCertificates = agents.contains { address in
            switch address {
            case .https: true
            case .unix: false
            }
        }
        if needsCertificates && certificates == nil {
            throw CommandFailure(
                "an https agent is asked with a certificate of the cluster",
                hint: "name the folder of yours with --certs or ROOST_CERTS", status: .usage)
        }
        do {
            return try AgentClient(
                agents: agents, certificates: needsCertificates ? certificates : nil, node: node,
                writePatience: Self.writePatience)
        } catch { throw CommandFailure(client: error) }
    }

    /// The time of one detection and a few moments: whoever has gone is seen to be gone, and another takes the write.
    private static let writePatience = WritePatience(.seconds(10)) { error in
        Terminal.say("\(error); asking again for up to 10 s")
    }

    /// The first agent named and no other: for what is about the agent asked, such as its leave. Passed on to the next
    /// one while the first is down, it would make a healthy node leave.
    func clientOfFirst() throws -> AgentClient { try client(addresses: Array(addresses().prefix(1))) }

    /// Runs a verb's body with a client, until done or interrupted, and turns its failure into the exit status.
    ///
    /// - Parameter firstOnly: see `clientOfFirst`.
    func run(
        firstOnly: Bool = false, _ body: @escaping @Sendable (AgentClient) async throws -> Void
    ) async throws {
        let client = firstOnly ? try clientOfFirst() : try client()
        do {
            try await Interrupt.guarding { try await body(client) }
            await client.close()
        } catch let error as ClientError {
            await client.close()
            throw CommandFailure.ending(error)
        }
    }
}

extension String {
    fileprivate func trimming(_ character: Character) -> Substring {
        var rest = drop { $0 == character }
        while rest.last == character { rest.removeLast() }
        return rest
    }
}

extension Substring {
    fileprivate func trimming(_ character: Character) -> Substring { String(self).trimming(character) }
}
