import ArgumentParser
import Client
import Vocabulary

extension CaCommand {
    /// `roost ca status`: the CA on the node that has it, and how far a change to another one is.
    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "Show the cluster's CA, and how far a change to another one is.")

        @OptionGroup var connection: ConnectionOptions
        @Flag(help: "Print one JSON value.")
        var json = false

        func run() async throws {
            try await connection.run(firstOnly: true) { client in
                let authority = try await client.authority()
                if json { return try Terminal.print(json: authority) }
                Terminal.print(AuthorityText.table(authority).text())
                Terminal.say(AuthorityText.line(authority))
            }
        }
    }

    /// `roost ca rotate`: from one CA to the next, step by step.
    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate",
            abstract: "Change the cluster to a new CA, while it runs.",
            discussion: """
                Asks the agent that has the CA. First a new CA is introduced: the old one signs, and everybody learns to \
                trust both. Then the new one signs, and everybody gets a certificate of it. Then the old one is trusted \
                no more, and its key is removed. Each step waits until nobody would be left behind by it: members renew \
                by themselves, users with `roost renew`. Broken off at any point, the same command goes on.
                """)

        @OptionGroup var connection: ConnectionOptions
        @Option(help: "Leave this node or user behind, for a new certificate later; repeat for more.")
        var without: [String] = []
        @Flag(help: "Take back a new CA that has not signed yet.")
        var abandon = false
        @Option(help: "Seconds to wait for each step at most.")
        var timeout = 600
        @Flag(help: "Print one JSON value at the end.")
        var json = false

        func validate() throws {
            if !(1...86_400).contains(timeout) { throw ValidationError("--timeout must be from 1 to 86400.") }
        }

        func run() async throws {
            try await connection.run(firstOnly: true) { client in
                var authority = try await client.authority()
                if abandon {
                    authority = try await client.rotateAuthority(.init(step: "abandon"))
                } else {
                    if authority.phase == "none" {
                        authority = try await client.rotateAuthority(.init(step: "introduce"))
                    }
                    if authority.phase == "introduced" {
                        authority = try await step("reissue", client)
                    }
                    if authority.phase == "reissuing" {
                        authority = try await step("retire", client)
                    }
                }
                authority = try await wait(client) { $0.members.allSatisfy { $0.ready || without.contains($0.name) } }
                if json { return try Terminal.print(json: authority) }
                Terminal.print(AuthorityText.table(authority).text())
                Terminal.say(abandon ? "the new CA is taken back" : "the cluster has a new CA, and trusts no other")
            }
        }

        private func step(_ name: String, _ client: AgentClient) async throws -> API.Authority {
            _ = try await wait(client) { authority in
                authority.members.allSatisfy { $0.ready || without.contains($0.name) }
                    && authority.users.allSatisfy { without.contains($0.name) }
            }
            return try await client.rotateAuthority(.init(step: name, without: without))
        }

        private static let pollInterval = Duration.milliseconds(500)

        /// Says each change once.
        private func wait(
            _ client: AgentClient, until isDone: (API.Authority) -> Bool
        ) async throws -> API.Authority {
            let end = ContinuousClock.now + .seconds(timeout)
            var said = ""
            while true {
                let authority = try await client.authority()
                let line = AuthorityText.line(authority)
                if line != said { Terminal.say(line) }
                said = line
                if isDone(authority) { return authority }
                guard ContinuousClock.now < end else {
                    throw CommandFailure(
                        "the next step would leave somebody behind, after \(timeout) s still",
                        hint: "roost ca status says whom; the same command goes on, --without NAME leaves one behind",
                        status: .tryAgain)
                }
                try await Task.sleep(for: Self.pollInterval)
            }
        }
    }
}

/// How people see the change of a CA.
enum AuthorityText {
    static func line(_ authority: API.Authority) -> String {
        let ready = authority.members.count { $0.ready }
        var line =
            switch authority.phase {
            case "introduced": "introduced: \(ready) of \(authority.members.count) members trust the new CA, too"
            case "reissuing":
                "reissuing: \(ready) of \(authority.members.count) members have a certificate of the new CA"
            default: "\(ready) of \(authority.members.count) members trust this CA and no other"
            }
        let late = authority.members.filter { !$0.ready && $0.problem != nil }.map {
            "\($0.name) (\($0.problem ?? ""))"
        }
        if !late.isEmpty { line += "; not \(late.prefix(8).joined(separator: ", "))" }
        if !authority.users.isEmpty {
            let names = authority.users.prefix(8).map { "\($0.role) \($0.name)" }.joined(separator: ", ")
            line += "; to renew with `roost renew`: \(names)"
        }
        return line
    }

    static func table(_ authority: API.Authority) -> Table {
        var table = Table([.init("CA"), .init("KEY"), .init("EXPIRES (UTC)"), .init("STATE")])
        func add(_ signer: API.Authority.Signer, _ state: String) {
            table.add([signer.subject, String(signer.key.prefix(16)), HumanUnits.time(signer.expires), state])
        }
        add(authority.issuing, "signs")
        if let other = authority.other {
            add(other, authority.phase == "introduced" ? "to come: trusted, does not sign" : "going: trusted")
        }
        return table
    }
}
