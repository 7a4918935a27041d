import ArgumentParser
import Client

/// `roost invite`: one line to type on the next host.
struct InviteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invite",
        abstract: "Invite a host or a user: print the one line to type there.",
        subcommands: [New.self, List.self, Revoke.self], defaultSubcommand: New.self)

    struct New: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "new",
            abstract: "Invite (what roost invite does without another word).",
            discussion:
                "Asks the agent of the node that has the CA (`ca` in its configuration). The line is good once, "
                + "for so long as --expires says; whoever has it gets the certificate, so treat it as a password. With "
                + "--name it is good for that name alone, also when the name was in use before.")

        @OptionGroup var connection: ConnectionOptions
        @Option(help: "The name that it is good for; else the other host says its own, which must be free.")
        var name: String?
        @Option(help: "The same for a node: --role node --name NODE.")
        var node: String?
        @Option(help: "node, client, reader or admin.")
        var role = "node"
        @Option(help: "How long it is good for, from 1m to 30d. Default: 1h.")
        var expires: String?
        @Option(help: "An address of this node that the other host is to call first; repeat for up to 3.")
        var via: [String] = []
        @Option(
            help: "An address that the certificate carries beside the one that the host calls from; repeat for more.")
        var ip: [String] = []
        @Option(help: "A host name that the certificate carries; repeat for more.")
        var dns: [String] = []
        @Flag(help: "Print one JSON value.")
        var json = false

        func run() async throws {
            guard node == nil || (name == nil && role == "node") else {
                throw CommandFailure("--node stands for --role node --name: give one of the two", status: .usage)
            }
            let request = API.InviteRequest(
                role: role, name: node ?? name, expires: expires, via: via, ips: ip, dns: dns)
            try await connection.run { [json] client in
                let invite = try await client.invite(request)
                if json { return try Terminal.print(json: invite) }
                Terminal.print("roost enroll \(invite.token)")
                Terminal.say(
                    "good once, until \(HumanUnits.time(invite.invitation.expires)) UTC, for "
                        + (invite.invitation.name.map { "the \(invite.invitation.role) \($0)" }
                            ?? "any free name of a \(invite.invitation.role)")
                        + "; take it back with: roost invite revoke \(invite.invitation.id)")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the invitations; their secrets are kept nowhere.")

        @OptionGroup var connection: ConnectionOptions
        @Flag(help: "Print one JSON value.")
        var json = false

        func run() async throws {
            try await connection.run { [json] client in
                let invitations = try await client.invitations()
                if json { return try Terminal.print(json: invitations) }
                var table = Table([
                    .init("ID"), .init("ROLE"), .init("NAME"), .init("STATE"), .init("EXPIRES (UTC)"), .init("USED BY"),
                ])
                for invitation in invitations {
                    table.add([
                        invitation.id, invitation.role, invitation.name ?? "-", invitation.state,
                        HumanUnits.time(invitation.expires), invitation.usedBy ?? "-",
                    ])
                }
                Terminal.print(table.text())
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke", abstract: "Take an invitation back.",
            discussion:
                "A certificate that it was used for stays good: `roost revoke NAME` takes that one's rights away.")

        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The id that `roost invite list` shows.")
        var id: String
        @Flag(help: "Print one JSON value.")
        var json = false

        func run() async throws {
            try await connection.run { [json, id] client in
                try await client.revokeInvitation(id)
                if json { try Terminal.print(json: ["revoked": id]) }
                Terminal.say("invitation \(id) is revoked")
            }
        }
    }
}
