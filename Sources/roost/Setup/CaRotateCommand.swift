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
                no more, and its key is removed. Each of the last two waits until nobody would be left behind by it: \
                members renew by themselves, users with `roost renew`. Nodes that left (a host that is stopped does) \
                hold it up, too, until they are started again, as does whatever node has a certificate and is no \
                member, unless it is named with --without, or was forgotten (`roost forget`) or revoked. Of a user's \
                name on two machines only the one that renewed last is known: renew on both in each wait.

                Broken off before the old CA is gone, the same command goes on. After that nothing is left to do but for \
                members to learn of it, which they do by themselves; while some have not, no other change begins, and \
                the command waits for them and ends.
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
                    return try await follow(authority, client, "the new CA is taken back", "it")
                }
                if authority.phase == "none", authority.other != nil, !isFollowed(authority) {
                    return try await finishEarlier(authority, client)
                }
                if authority.phase == "none" {
                    authority = try await client.rotateAuthority(.init(step: "introduce", without: without))
                }
                if authority.phase == "introduced" {
                    authority = try await step("reissue", client)
                }
                if authority.phase == "reissuing" {
                    authority = try await step("retire", client)
                }
                try await follow(authority, client, "the cluster has a new CA", "the old one")
            }
        }

        private func step(_ name: String, _ client: AgentClient) async throws -> API.Authority {
            var authority: API.Authority?
            let isReady = try await wait(client, &authority) { authority in
                authority.members.allSatisfy { $0.ready || without.contains($0.name) }
                    && authority.users.allSatisfy { without.contains($0.name) }
            }
            guard isReady else {
                throw CommandFailure(
                    "the next step would leave somebody behind, after \(timeout) s still",
                    hint: "roost ca status says whom and why; the same command goes on, "
                        + "--without NAME leaves one behind",
                    status: .tryAgain)
            }
            return try await client.rotateAuthority(.init(step: name, without: without))
        }

        // MARK: After the last step

        private func isFollowed(_ authority: API.Authority) -> Bool {
            authority.members.allSatisfy { $0.ready || without.contains($0.name) }
        }

        /// The change is made, whatever becomes of this wait: those who have not heard of it renew by themselves.
        private func follow(
            _ authority: API.Authority, _ client: AgentClient, _ what: String, _ other: String
        ) async throws {
            Terminal.say("\(what); waiting until nobody trusts \(other) any more, which needs nobody to wait for it")
            var last: API.Authority? = authority
            do {
                _ = try await wait(client, &last, until: isFollowed)
            } catch {
                if Task.isCancelled { Terminal.say(ending(last ?? authority, what, other)) }
                throw error
            }
            try show(last ?? authority, ending(last ?? authority, what, other))
        }

        private func ending(_ authority: API.Authority, _ what: String, _ other: String) -> String {
            let late = AuthorityText.late(authority)
            guard !late.isEmpty else { return "\(what), and no member trusts \(other)" }
            return "\(what); \(other) may still be trusted by \(late): each renews by itself when it is there"
        }

        /// The same command, broken off when all but this was done, must not begin another change.
        private func finishEarlier(_ authority: API.Authority, _ client: AgentClient) async throws {
            Terminal.say(
                "the change before is not over: no other CA is introduced until nobody trusts the one that has gone")
            var last: API.Authority? = authority
            guard try await wait(client, &last, until: isFollowed) else {
                throw CommandFailure(
                    "after \(timeout) s still the CA before may be trusted by "
                        + "\(AuthorityText.late(last ?? authority)): no other was introduced",
                    hint: "each renews by itself when it is there; roost forget NAME if one never comes back, "
                        + "--without NAME begins another change all the same",
                    status: .tryAgain)
            }
            try show(last ?? authority, "that change is over now; to begin another one, run the same command again")
        }

        private func show(_ authority: API.Authority, _ text: String) throws {
            if json {
                try Terminal.print(json: authority)
            } else {
                Terminal.print(AuthorityText.table(authority).text())
            }
            Terminal.say(text)
        }

        private static let pollInterval = Duration.milliseconds(500)

        /// Says each change once.
        ///
        /// - Parameter last: what was seen last, also where this throws.
        /// - Returns: false when it was not so within `timeout`.
        private func wait(
            _ client: AgentClient, _ last: inout API.Authority?, until isDone: (API.Authority) -> Bool
        ) async throws -> Bool {
            let end = ContinuousClock.now + .seconds(timeout)
            var said = ""
            while true {
                let authority = try await client.authority()
                last = authority
                let line = AuthorityText.line(authority)
                if line != said { Terminal.say(line) }
                said = line
                if isDone(authority) { return true }
                guard ContinuousClock.now < end else { return false }
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
        let late = authority.members.filter { !$0.ready && $0.problem != nil }
        if !late.isEmpty { line += "; not \(names(late))" }
        if late.contains(where: { $0.state == .left }) {
            line += "; who left renews when it is started, --without NAME leaves it behind"
        }
        if !authority.users.isEmpty {
            let names = authority.users.prefix(8).map { "\($0.role) \($0.name)" }.joined(separator: ", ")
            line += "; to renew with `roost renew`: \(names)"
        }
        return line
    }

    /// Members that are not ready, and why, as far as it is known; empty when there are none.
    static func late(_ authority: API.Authority) -> String { names(authority.members.filter { !$0.ready }) }

    private static func names(_ members: [API.Authority.Member]) -> String {
        let shown = members.prefix(8).map { member in
            member.problem.map { "\(member.name) (\($0))" } ?? member.name
        }.joined(separator: ", ")
        return members.count > 8 ? "\(shown) and \(members.count - 8) more" : shown
    }

    static func table(_ authority: API.Authority) -> Table {
        var table = Table([.init("CA"), .init("KEY"), .init("EXPIRES (UTC)"), .init("STATE")])
        func add(_ signer: API.Authority.Signer, _ state: String) {
            table.add([signer.subject, String(signer.key.prefix(16)), HumanUnits.time(signer.expires), state])
        }
        add(authority.issuing, "signs")
        if let other = authority.other {
            let state =
                switch authority.phase {
                case "introduced": "to come: trusted, does not sign"
                case "reissuing": "going: trusted"
                default: "gone: some may trust it still"
                }
            add(other, state)
        }
        return table
    }
}
