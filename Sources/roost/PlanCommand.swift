import ArgumentParser
import Client

struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Show what would move if a node left, joined or failed.",
        discussion: """
            Nothing is changed: every member is asked what it holds, and the placement is worked out as it would be. Equal \
            bytes under several names, or in several versions, count for each of them, and are sent to a node but once: the \
            sizes are at most what would move.
            """)

    enum Change: String, ExpressibleByArgument, CaseIterable { case leave, join, fail }

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "leave, join or fail.")
    var change: Change
    @Argument(help: "The node's name.")
    var node: String
    @Option(help: "With join: the weight that it would have. Default: the one it had, or 100.")
    var weight: UInt32?
    @Option(help: "With join: the zone that it would be in. Default: the one it had, or one of its own.")
    var zone: String?
    @Flag(help: "Print one JSON value.")
    var json = false

    func validate() throws {
        if change != .join, weight != nil || zone != nil {
            throw ValidationError(
                "--weight and --zone say how a node would join; \(change.rawValue) has no use for them.")
        }
    }

    func run() async throws {
        try await connection.run { client in
            let plan = try await client.plan(change.rawValue, node: node, weight: weight, zone: zone)
            if json { return try Terminal.print(json: plan) }
            var table = Table([
                .init("NODE"), .init("FETCHES", .right), .init("SIZE", .right), .init("TAKES", .right),
                .init("FREE", .right), .init("DROPS", .right), .init("SIZE", .right),
            ])
            let moves = Dictionary(plan.moves.map { ($0.node, $0) }, uniquingKeysWith: { first, _ in first })
            let drops = Dictionary(plan.drops.map { ($0.node, $0) }, uniquingKeysWith: { first, _ in first })
            for node in Set(moves.keys).union(drops.keys).sorted() {
                let move = moves[node]
                let drop = drops[node]
                table.add([
                    node, "\(move?.resources ?? 0)", HumanUnits.bytes(move?.bytes ?? 0),
                    move?.durationMilliseconds.map { HumanUnits.duration(milliseconds: $0) } ?? "-",
                    move?.free.map { HumanUnits.bytes($0) } ?? "-", "\(drop?.resources ?? 0)",
                    HumanUnits.bytes(drop?.bytes ?? 0),
                ])
            }
            if !table.isEmpty { Terminal.print(table.text()) }
            for line in Self.summary(of: plan) { Terminal.say(line) }
        }
    }

    private static func summary(of plan: API.Plan) -> [String] {
        var first = "\(plan.resources) copies to make, \(HumanUnits.bytes(plan.bytes))"
        if let time = plan.durationMilliseconds, plan.bytes > 0 {
            first += ", in about \(HumanUnits.duration(milliseconds: time)) at the rate of the latest moves"
        }
        if plan.startsAfterMilliseconds > 0, plan.resources > 0 {
            first += ", \(HumanUnits.duration(milliseconds: plan.startsAfterMilliseconds)) after the crash is seen"
        }
        var lines = [first]
        if plan.durationMilliseconds == nil {
            lines.append("how long it takes is not known: no node has fetched 1 MiB from others since its start")
        }
        for move in plan.moves where !move.fits {
            lines.append(
                "\(move.node) has too little room: make some first, or others hold in its place what does not fit")
        }
        if plan.short.resources > 0 {
            lines.append(
                "\(plan.short.resources) resources (\(HumanUnits.bytes(plan.short.bytes))) would have fewer than "
                    + "\(plan.replicas) copies: there would not be enough members")
        }
        if !plan.unreachable.isEmpty {
            lines.append("not asked, as they do not answer: \(plan.unreachable.joined(separator: ", "))")
        }
        return lines
    }
}
