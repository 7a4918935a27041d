import Client

/// Steps 1 to 4: a cluster of two comes to be, files come into it, a third node takes its share.
extension DemoStory {
    func arrive() async throws -> DemoReport.Finding {
        try await cluster.start("mpologoma", joining: nil)
        let first = ContinuousClock.now
        try await cluster.start("simba", joining: "mpologoma")
        for name in bystanders { try await cluster.start(name, joining: "mpologoma") }
        let present = everybody(but: "mkango")
        try await Patience.wait(atMost: Self.settleMax, for: "the members to know each other") {
            () -> Patience.Look<Void> in
            try await cluster.checkRunning()
            for name in present {
                let members = try await cluster.client(name).members()
                let alive = members.filter { $0.state == .alive }.map(\.name)
                guard Set(alive) == Set(present) else {
                    return .notYet("\(name) sees \(members.map { "\($0.name) \($0.state.rawValue)" })")
                }
                let phase = try await cluster.client(name).status().phase
                guard phase == .serving else { return .notYet("\(name) is \(phase.rawValue)") }
            }
            return .done(())
        }
        return DemoReport.Finding(
            "\(present.count) members, each knows all; joined in \(DemoReport.seconds(since: first))",
            ["members": UInt64(present.count), "join_ms": DemoReport.milliseconds(since: first)])
    }

    func put() async throws -> DemoReport.Finding {
        let client = try await cluster.client("mpologoma")
        for file in files {
            let answer = try await client.put(
                file.name, bytes: file.bytes, options: .init(home: file.home, contentType: "text/plain; charset=utf-8"))
            guard answer.isNew, !answer.isShortOfCopies, Set(answer.result.copies).count >= Self.copies else {
                throw DemoFailure(
                    "\(file.name) was acknowledged with copies on \(answer.result.copies.joined(separator: ", ")) only")
            }
            guard answer.result.size == UInt64(file.bytes.count) else {
                throw DemoFailure("\(file.name) has \(file.bytes.count) bytes, but \(answer.result.size) were kept")
            }
        }
        let listed = try await cluster.client("simba").list().resources
        guard listed.map(\.name) == files.map(\.name).sorted(by: byBytes) else {
            throw DemoFailure("simba lists \(listed.count) resources of \(files.count)")
        }
        let atHome = files.count(where: { $0.home != nil })
        return DemoReport.Finding(
            "\(files.count) files, \(HumanUnits.bytes(DemoFile.byteCount(files))), \(atHome) with a home, each on "
                + "\(Self.copies) nodes when acknowledged",
            ["files": UInt64(files.count), "bytes": DemoFile.byteCount(files)])
    }

    private func byBytes(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }

    func askSimba() async throws -> DemoReport.Finding {
        var answered: [String: Int] = [:]
        for file in files {
            let place = try await cluster.client("simba").whereIs(file.name)
            if let home = file.home, place.home != home || place.owners.first != home {
                throw DemoFailure("\(file.name) should be at home on \(home), but its owners are \(place.owners)")
            }
            let download = try await check(file, from: "simba", holders: place.holders)
            answered[download.node ?? "", default: 0] += 1
        }
        let who = answered.sorted { $0.key < $1.key }.map { "\($0.value) by \($0.key)" }.joined(separator: ", ")
        return DemoReport.Finding(
            "\(files.count) answers with the right bytes: \(who)", ["answers": UInt64(files.count)])
    }

    func mkangoJoins() async throws -> (DemoReport.Finding, [DemoFile]) {
        try await cluster.start("mkango", joining: "mpologoma")
        let places = try await settled(everybody, "mkango's share to be on it")
        let share = share(of: "mkango", places)
        guard !share.isEmpty else { throw DemoFailure("mkango is an owner of none of \(files.count) files") }
        try await checkHolds("mkango", share)
        for file in share {
            let download = try await check(file, from: "mkango", holders: places[file.name]?.holders)
            guard download.node == "mkango" else {
                throw DemoFailure("mkango holds \(file.name), yet \(download.node ?? "nobody") answered for it")
            }
        }
        let moved = try await cluster.client("mkango").status().moves.bytes
        return (
            DemoReport.Finding(
                "\(share.count) of \(files.count) files, \(HumanUnits.bytes(moved)) moved, and it answers for each itself",
                ["share": UInt64(share.count), "bytes_moved": moved]), share
        )
    }
}
