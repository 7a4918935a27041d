import ArgumentParser
import Client

struct PeersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peers", abstract: "List the peers that the agent asked is connected to.")

    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Print one JSON value.")
    var json = false

    func run() async throws {
        try await connection.run { client in
            let peers = try await client.peers()
            if json { return try Terminal.print(json: peers) }
            var table = Table([
                .init("NAME"), .init("ADDRESS"), .init("STATE"), .init("CONNECTIONS", .right),
                .init("REQUESTS", .right), .init("RTT", .right), .init("IDLE", .right),
            ])
            for peer in peers.peers {
                table.add([
                    peer.name, peer.address, peer.state.rawValue, "\(peer.connections)", "\(peer.requests)",
                    HumanUnits.roundTrip(milliseconds: peer.rttMilliseconds),
                    peer.idleMilliseconds.map { HumanUnits.duration(milliseconds: $0) } ?? "-",
                ])
            }
            Terminal.print(table.text())
            Terminal.say("\(peers.connected) of at most \(peers.max) peers connected")
        }
    }
}
