import ArgumentParser
import Client

struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Look at the keys that seal the gossip, or change to a new one.",
        subcommands: [List.self, Rotate.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the keys by id; the keys themselves are never shown.")

        @OptionGroup var connection: ConnectionOptions
        @Flag(help: "Print one JSON value.")
        var json = false

        func run() async throws {
            try await connection.run { client in
                let keys = try await client.keys()
                if json { return try Terminal.print(json: keys) }
                Terminal.print(KeysCommand.table(keys).text())
            }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate", abstract: "Change the cluster to a new key for its gossip, while it runs.",
            discussion: "The new key goes to every member over TLS, seals when all present ones have it (or after "
                + "keys.wait), and the one before opens for keys.overlap more; who is away gets the new one at its "
                + "return. Waits for the end of all that; a wait that is broken off leaves it going on. "
                + "A rotation that is under way already is joined.")

        @OptionGroup var connection: ConnectionOptions
        @Flag(help: "Do not wait for the end.")
        var noWait = false
        @Flag(help: "Print one JSON value: the keys at the end, or with --no-wait what has begun.")
        var json = false

        func run() async throws {
            try await connection.run(firstOnly: true) { client in
                let begun = try await client.rotateKeys()
                if noWait {
                    if json { return try Terminal.print(json: begun) }
                    return Terminal.print("\(begun.id) is on its way to the members")
                }
                if !begun.begun { Terminal.say("a rotation is under way already: waiting for its end") }
                let keys = try await wait(for: begun, client)
                if json { return try Terminal.print(json: keys) }
                Terminal.print(KeysCommand.table(keys).text())
            }
        }

        /// Says each step once, as it is reached.
        private func wait(for begun: API.KeyRotation, _ client: AgentClient) async throws -> API.Keys {
            var said = ""
            while true {
                let keys = try await client.keys()
                guard keys.rotating == true else {
                    // Another one, made at the same time on another node or because a node was revoked, is as good.
                    guard let present = keys.keys.first(where: \.primary), present.created >= begun.created else {
                        throw CommandFailure(
                            "the new key \(begun.id) is gone", hint: "the agent's log says why; rotate again")
                    }
                    return keys
                }
                let line = KeysCommand.progress(keys)
                if line != said { Terminal.say(line) }
                said = line
                try await Task.sleep(for: .milliseconds(250))
            }
        }
    }

    static func progress(_ keys: API.Keys) -> String {
        let all = keys.members ?? 1
        if let next = keys.keys.first(where: { $0.state == .spreading }) {
            return "\(next.id): \(next.members ?? 1) of \(all) members have it"
        }
        guard let present = keys.keys.first(where: \.primary) else { return "no key yet" }
        let old = keys.keys.filter { $0.state == .opening }.map(\.id).joined(separator: ", ")
        return "\(present.id): \(present.members ?? 1) of \(all) members seal with it; \(old) opens a while longer"
    }

    static func table(_ keys: API.Keys) -> Table {
        var table = Table([
            .init("ID"), .init("CREATED (UTC)"), .init("AGE", .right), .init("STATE"), .init("MEMBERS", .right),
        ])
        for key in keys.keys {
            var state = key.state?.rawValue ?? (key.primary ? "sealing" : "opening")
            if let left = key.retiresInMilliseconds { state += ", \(HumanUnits.duration(milliseconds: left)) left" }
            let members = key.members.map { "\($0)" + (keys.members.map { " of \($0)" } ?? "") }
            table.add([
                key.id, HumanUnits.time(key.created),
                key.ageMilliseconds.map { HumanUnits.duration(milliseconds: $0) } ?? "-", state, members ?? "-",
            ])
        }
        return table
    }
}
