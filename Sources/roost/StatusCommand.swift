import ArgumentParser
import Client

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how one node is doing.")

    @OptionGroup var connection: ConnectionOptions
    @Flag(help: "Print one JSON value.")
    var json = false

    func run() async throws {
        try await connection.run { client in
            let status = try await client.status()
            if json { return try Terminal.print(json: status) }
            Terminal.print(Self.table(status).text(headings: false))
        }
    }

    private static func table(_ status: API.Status) -> Table {
        let members = status.members
        let counts = [
            ("alive", members.alive), ("suspect", members.suspect), ("restarting", members.restarting),
            ("draining", members.draining), ("crashed", members.crashed), ("left", members.left),
        ]
        var table = Table([.init(""), .init("")])
        table.add(["node", "\(status.node) of \(status.cluster), \(status.address)"])
        table.add(["phase", status.phase.rawValue + (status.converged ? ", converged" : ", converging")])
        table.add([
            "version", "\(status.version), up \(HumanUnits.duration(milliseconds: status.uptimeMilliseconds))",
        ])
        table.add([
            "members",
            counts.filter { $0.1 > 0 || $0.0 == "alive" }.map { "\($0.1) \($0.0)" }.joined(separator: ", "),
        ])
        let resources = status.resources
        table.add([
            "resources",
            "\(resources.held) held, \(resources.owned) owned, \(resources.underReplicated) under-replicated, "
                + "\(resources.misplaced) misplaced",
        ])
        for full in status.withoutRoom ?? [] {
            table.add([
                "no room",
                "on \(full.node), or its disk fails, for \(full.resources) that it is to own: others hold them",
            ])
        }
        if let awaited = status.deletedWaitFor, !awaited.isEmpty {
            table.add([
                "deleted",
                "names are kept until \(awaited.joined(separator: ", ")) agree: away; roost forget whom will not return",
            ])
        }
        table.add([
            "moves",
            "\(status.moves.active) active, \(status.moves.queued) queued, \(HumanUnits.bytes(status.moves.bytes)) moved",
        ])
        table.add([
            "disk", "\(HumanUnits.bytes(status.data.used)) used, \(HumanUnits.bytes(status.data.free)) free",
        ])
        if let scrub = status.scrub {
            let last = scrub.lastPass.map { "last pass ended \(HumanUnits.time($0)) UTC" } ?? "no pass ended yet"
            table.add([
                "scrub", "\(last), \(scrub.rotten) rotten, \(scrub.repaired) repaired, \(scrub.unrepaired) lacking",
            ])
        }
        let certificate = status.certificate
        table.add([
            "certificate",
            "expires \(HumanUnits.time(certificate.expires)) UTC"
                + (certificate.expiresSoon == true ? ", which is soon: no member that has the CA has renewed it" : ""),
        ])
        if let expires = certificate.caExpires, certificate.caExpiresSoon == true {
            table.add(["CA", "expires \(HumanUnits.time(expires)) UTC, which is soon: make a new one"])
        }
        return table
    }
}
