import ArgumentParser
import Client
import Vocabulary

struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Fetch a resource.",
        discussion: "Writes the bytes to standard output, or whole and checked to the file of -o. A transfer that "
            + "breaks off is resumed from another holder at the byte that it had reached.")

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The resource's name.", transform: NameArgument.parse)
    var name: String
    @Option(name: [.short, .long], help: "The file to write to.", completion: .file())
    var output: String?
    @Option(help: "This version of it, not the present one (see history).")
    var version: String?
    @Option(help: "The node that shall answer.")
    var via: String?
    @Flag(help: "Print what was fetched as one JSON value: to standard output with -o, else to standard error.")
    var json = false

    func run() async throws {
        try await connection.run { client in
            let (client, via) = try await route(client)
            let bar = Terminal.progressBar(name)
            defer { bar.finish() }
            let target: AgentClient.Target =
                switch output {
                case nil, "-": .standardOutput
                case .some(let path): .file(path)
                }
            let download = try await client.get(
                name, version: version, via: via, to: target, progress: { bar.update($0, of: $1) })
            bar.finish()
            try report(download, target)
        }
    }

    /// With a certificate the node is asked itself; over a unix socket, or when it can not be reached from here, the
    /// agent passes the request on to it.
    private func route(_ client: AgentClient) async throws -> (AgentClient, via: String?) {
        guard let via else { return (client, nil) }
        guard case .https = client.agents.first else { return (client, via) }
        guard let member = try await client.members().first(where: { $0.name == via }) else {
            throw CommandFailure(
                "no member has the name \(via)", hint: "`roost members` lists them", status: .notFound)
        }
        guard let endpoint = try? Endpoint(parsing: member.address) else { return (client, via) }
        let direct = try connection.client(addresses: [.https(endpoint)], node: via)
        do {
            _ = try await direct.status()
            return (direct, nil)
        } catch ClientError.cannotConnect {
            return (client, via)
        }
    }

    private func report(_ download: Download, _ target: AgentClient.Target) throws {
        if json {
            let text = try Terminal.json(Report(download))
            switch target {
            case .file: Terminal.print(jsonPart: text + "\n")
            case .standardOutput: Terminal.say(text)
            }
            return
        }
        let route = download.route.isEmpty ? "" : " (route \(download.route.joined(separator: " > ")))"
        let resumed = download.resumes == 0 ? "" : ", resumed \(download.resumes)×"
        Terminal.say(
            "\(download.name): \(HumanUnits.bytes(download.size)) from \(download.node ?? "?")\(route), "
                + "sha256 \(download.sha256)\(resumed)")
    }

    private struct Report: Encodable {
        let name: String
        let size: UInt64
        let sha256: String
        let version: String?
        let contentType: String?
        let node: String?
        let route: [String]
        let resumes: Int

        init(_ download: Download) {
            name = download.name
            size = download.size
            sha256 = download.sha256.hex
            version = download.version
            contentType = download.contentType
            node = download.node
            route = download.route
            resumes = download.resumes
        }

        enum CodingKeys: String, CodingKey {
            case name, size, sha256, version
            case contentType = "content_type"
            case node, route, resumes
        }
    }
}
