import Client
import Vocabulary

/// The story that Roost was made for, on real processes: who comes, goes and fails, and that every byte is where it
/// should be at each point. What each step claims is checked against bytes and node names, or the story ends there.
///
/// Its chapters: arrivals (1–4), departures and returns (5, 6), a crash (7, 8), strangers (9).
struct DemoStory: Sendable {
    static let main = ["mpologoma", "simba", "mkango"]
    /// Bystanders of a larger cluster.
    static let others = [
        "tembo", "twiga", "kiboko", "nyati", "chui", "duma", "fisi", "pundamilia", "swala", "nyani", "kifaru", "mamba",
        "ngiri",
    ]
    static var nodesMax: Int { main.count + others.count }

    let cluster: DemoCluster
    let files: [DemoFile]
    let bystanders: [String]
    let report: DemoReport

    /// How long the cluster may take to agree and to have moved everything.
    static let settleMax = Duration.seconds(45)
    static let copies = 2

    init(cluster: DemoCluster, bystanders: [String], report: DemoReport) {
        self.cluster = cluster
        self.bystanders = bystanders
        self.report = report
        files = DemoFile.all()
    }

    func tell() async throws {
        try await report.step(1, "mpologoma starts, simba joins it") { try await arrive() }
        try await report.step(2, "text files are put through mpologoma, some with a home") { try await put() }
        try await report.step(3, "simba is asked for each of them") { try await askSimba() }
        let share = try await report.step(4, "mkango joins, and its share moves to it") { try await mkangoJoins() }
        try await report.step(5, "simba leaves in good order: nothing is lost") { try await simbaLeaves() }
        try await report.step(6, "simba rejoins: its resources are back on it") { try await simbaReturns() }
        try await report.step(7, "mkango is killed: seen, repaired, every query answered") { try await mkangoDies() }
        try await report.step(8, "mkango returns: its resources are back on it") { try await mkangoReturns(share) }
        try await report.step(9, "strangers are refused") { try await strangers() }
    }

    // MARK: What several chapters look at

    var everybody: [String] { Self.main + bystanders }

    func everybody(but absent: String) -> [String] { everybody.filter { $0 != absent } }

    /// Where every file is, once the nodes named (and nobody else) are members, each says that it has converged, and
    /// every file is held by its owners and by nobody else.
    func settled(_ names: [String], _ what: String) async throws -> [String: API.Where] {
        try await Patience.wait(atMost: Self.settleMax, for: what) {
            try await cluster.checkRunning()
            if let unrest = try await cluster.unrest(names) { return .notYet(unrest) }
            return try await placed(names)
        }
    }

    /// Asks each of the nodes about some of the files.
    private func placed(_ names: [String]) async throws -> Patience.Look<[String: API.Where]> {
        var found: [String: API.Where] = [:]
        for (index, file) in files.enumerated() {
            let asked = names[index % names.count]
            let place = try await cluster.client(asked).whereIs(file.name)
            guard Set(place.owners).isSubset(of: names), place.owners.count == min(Self.copies, names.count) else {
                return .notYet("\(asked) says that \(file.name) belongs to \(place.owners.joined(separator: ", "))")
            }
            guard Set(place.holders) == Set(place.owners) else {
                return .notYet(
                    "\(asked) says that \(file.name) is on \(place.holders.joined(separator: ", ")), not on "
                        + place.owners.joined(separator: ", "))
            }
            found[file.name] = place
        }
        return .done(found)
    }

    /// Gets the file from the node and compares every byte, and the node that answered with those that hold it.
    @discardableResult
    func check(_ file: DemoFile, from name: String, holders: [String]?) async throws -> Download {
        let (bytes, download) = try await cluster.client(name).getBytes(file.name)
        guard bytes == file.bytes else {
            throw DemoFailure(
                "\(name) gave other bytes for \(file.name): \(bytes.count), of which the first that differs is number "
                    + "\(zip(bytes, file.bytes).enumerated().first { $1.0 != $1.1 }?.offset ?? min(bytes.count, file.bytes.count))"
            )
        }
        guard let node = download.node, download.route.first == name, download.route.last == node else {
            throw DemoFailure(
                "\(name) was asked for \(file.name), but the route is \(download.route.joined(separator: " > ")) and "
                    + "Roost-Node \(download.node ?? "absent")")
        }
        if let holders, !holders.contains(node) {
            throw DemoFailure(
                "\(node) answered for \(file.name), but where says that it is on \(holders.joined(separator: ", "))")
        }
        return download
    }

    /// The files that the node is an owner of.
    func share(of name: String, _ places: [String: API.Where]) -> [DemoFile] {
        files.filter { places[$0.name]?.owners.contains(name) == true }
    }

    /// Its own word and that of the others must agree.
    func checkHolds(_ name: String, _ share: [DemoFile]) async throws {
        let held = try await cluster.client(name).status().resources.held
        guard held == share.count else {
            throw DemoFailure("\(name) says that it holds \(held) resources, but where names it for \(share.count)")
        }
    }
}
