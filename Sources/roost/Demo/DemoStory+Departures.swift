import Client

/// Steps 5 and 6: a node leaves in good order and comes back.
extension DemoStory {
    func simbaLeaves() async throws -> DemoReport.Finding {
        let began = ContinuousClock.now
        try await cluster.stop("simba")
        guard let ending = try await cluster.end(of: "simba", within: .seconds(60)) else {
            throw DemoFailure("simba was told to stop and runs on after 60 s")
        }
        guard ending == .exited(0) else { throw DemoFailure("simba left with \(ending), not exit status 0") }
        let took = DemoReport.milliseconds(since: began)
        // Nobody is waited for here: what is on the others now was there before simba ended.
        let rest = everybody(but: "simba")
        for (index, file) in files.enumerated() {
            let asked = rest[index % rest.count]
            let place = try await cluster.client(asked).whereIs(file.name)
            guard !place.holders.contains("simba"), Set(place.holders).count >= min(Self.copies, rest.count) else {
                throw DemoFailure(
                    "when simba had left, \(file.name) was on \(place.holders.joined(separator: ", ")) only")
            }
            for name in rest { try await check(file, from: name, holders: place.holders) }
        }
        for name in rest {
            let members = try await cluster.client(name).members()
            let state = members.first { $0.name == "simba" }?.state
            guard state == .left else {
                throw DemoFailure("\(name) takes simba for \(state?.rawValue ?? "unknown"), not for left")
            }
        }
        return DemoReport.Finding(
            "\(files.count) files were on \(Self.copies) others when it exited with 0 after \(DemoReport.seconds(took))",
            ["leave_ms": took])
    }

    func simbaReturns() async throws -> DemoReport.Finding {
        try await cluster.start("simba", joining: "mpologoma")
        let places = try await settled(everybody, "simba's resources to be back on it")
        let share = share(of: "simba", places)
        let ours = files.filter { $0.home == "simba" }
        guard ours.allSatisfy({ places[$0.name]?.owners.first == "simba" }) else {
            throw DemoFailure("a resource whose home is simba has another first owner")
        }
        try await checkHolds("simba", share)
        for file in share { try await check(file, from: "simba", holders: ["simba"]) }
        return DemoReport.Finding(
            "\(share.count) files, all \(ours.count) that have it as their home among them",
            ["share": UInt64(share.count), "homes": UInt64(ours.count)])
    }
}
