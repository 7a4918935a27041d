import ArgumentParser
import Simulation
import Vocabulary

/// How evenly resources lie on many nodes, and what one node more or fewer moves.
struct PlacementTable: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "placement",
        abstract:
            "Spread resources over nodes by the agent's own placement: the load, and what a join and a leave move.")

    @Option(help: "Nodes (2-2000).")
    var nodes = 200
    @Option(help: "Zones that they are dealt to in turn (0-100; 0: each is one of its own).")
    var zones = 0
    @Option(help: "How many times as much every third node takes (1-100).")
    var heavy: UInt32 = 1
    @Option(help: "Resources (1-10000000).")
    var resources = 1_000_000
    @Option(help: "Copies of each (1-8).")
    var replicas = 2
    @Option(help: "The seed of their sizes, and of who leaves.")
    var seed: UInt64 = 1
    @Flag(help: "Print one JSON value.")
    var json = false

    func validate() throws {
        guard (2...2000).contains(nodes) else { throw ValidationError("--nodes must be 2-2000, not \(nodes)") }
        guard (0...100).contains(zones) else { throw ValidationError("--zones must be 0-100, not \(zones)") }
        guard (1...100).contains(heavy) else { throw ValidationError("--heavy must be 1-100, not \(heavy)") }
        guard (1...10_000_000).contains(resources) else {
            throw ValidationError("--resources must be 1-10000000, not \(resources)")
        }
        guard (1...8).contains(replicas) else { throw ValidationError("--replicas must be 1-8, not \(replicas)") }
    }

    func run() throws {
        var settings = Spreading.Settings()
        settings.nodes = nodes
        settings.zones = zones
        settings.heavy = heavy
        settings.resources = resources
        settings.replicas = replicas
        settings.seed = seed
        let found = try Spreading(settings).measure()
        if json { return print(Self.json(found, settings)) }
        print("placement: \(nodes) nodes, \(zones) zones, \(resources) resources, \(replicas) copies, seed \(seed)")
        func ratio(_ value: Double) -> String { Report.fixed(value, 3) }
        func row(_ what: String, _ move: Spreading.Move) -> [String] {
            [
                what, ratio(Double(move.bytes) / max(Double(move.least), 1)),
                ratio(Double(move.bytes) / max(move.share, 1)),
                "\(move.groupsMoved) of \(move.groups)",
            ]
        }
        print(
            Report.aligned(
                [
                    ["load", "over what its weight asks"], ["fullest node", ratio(found.fullest)],
                    ["emptiest node", ratio(found.emptiest)], ["fullest zone", ratio(found.fullestZone)],
                    ["resources twice in one zone", "\(found.crowded)"],
                ] + (found.heavyOverLight.map { [["a heavy node over a light one", ratio($0)]] } ?? [])))
        print("")
        print(
            Report.aligned([
                ["change", "moved / least possible", "moved / even share", "groups touched"],
                row("a node joins", found.join), row("a node leaves", found.leave),
            ]))
    }

    private static func json(_ found: Spreading.Result, _ settings: Spreading.Settings) -> String {
        func move(_ move: Spreading.Move) -> String {
            "{\"bytes\":\(move.bytes),\"least_bytes\":\(move.least),\"share_bytes\":\(Report.fixed(move.share, 0)),"
                + "\"groups_moved\":\(move.groupsMoved),\"groups\":\(move.groups)}"
        }
        return "{\"experiment\":\"placement\",\"nodes\":\(settings.nodes),\"zones\":\(settings.zones),"
            + "\"heavy\":\(settings.heavy),\"resources\":\(settings.resources),\"replicas\":\(settings.replicas),"
            + "\"seed\":\(settings.seed),\"bytes\":\(found.bytes),\"fullest\":\(Report.fixed(found.fullest, 4)),"
            + "\"emptiest\":\(Report.fixed(found.emptiest, 4)),\"fullest_zone\":\(Report.fixed(found.fullestZone, 4)),"
            + "\"crowded\":\(found.crowded),\"heavy_over_light\":\(found.heavyOverLight.map { Report.fixed($0, 4) } ?? "null"),\"join\":\(move(found.join)),\"leave\":\(move(found.leave))}"
    }
}
