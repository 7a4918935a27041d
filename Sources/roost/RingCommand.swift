import ArgumentParser
import Client

struct RingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ring", abstract: "Show each node's share of the slots.")

    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Print one JSON value.")
    var json = false

    func run() async throws {
        try await connection.run { client in
            let ring = try await client.ring()
            if json { return try Terminal.print(json: ring) }
            var table = Table([
                .init("NODE"), .init("ZONE"), .init("WEIGHT", .right), .init("FIRST", .right), .init("OWNED", .right),
                .init("SHARE", .right),
            ])
            for node in ring.nodes {
                table.add([
                    node.node, node.zone ?? "-", "\(node.weight)", "\(node.first)", "\(node.owned)",
                    HumanUnits.percent(node.share),
                ])
            }
            Terminal.print(table.text())
            Terminal.say("\(ring.slots) slots, \(ring.replicas) owners each")
        }
    }
}
