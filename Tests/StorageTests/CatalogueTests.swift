import Foundation
import NIOConcurrencyHelpers
import Resources
import TLS
import Testing
import Vocabulary

@testable import Storage

/// Three imagined nodes write and exchange; what they made is the material for the catalogue.
struct Writers {
    var random: SeededGenerator
    let contents: [Version.Content]
    var sets: [[ResourceName: VersionSet]] = [[:], [:], [:]]
    var clocks = [HybridClock(), HybridClock(), HybridClock()]
    var made: [Version] = []
    let names: [ResourceName]
    let nodes: [NodeName]

    init(seed: UInt64, contents: [Version.Content], nameCount: Int) throws {
        random = SeededGenerator(seed: seed)
        self.contents = contents
        names = try (0..<nameCount).map { try ResourceName("name/\($0)") }
        nodes = try ["mkango", "mpologoma", "simba"].map { try NodeName($0) }
    }

    mutating func step() throws {
        let who = Int.random(in: 0..<3, using: &random)
        let name = names[Int.random(in: 0..<names.count, using: &random)]
        if Int.random(in: 0..<3, using: &random) == 0 {
            let other = Int.random(in: 0..<3, using: &random)
            if let theirs = sets[other][name] {
                sets[who][name] = sets[who][name]?.merged(with: theirs.versions) ?? theirs
            }
            return
        }
        let content = Int.random(in: 0..<5, using: &random) == 0 ? .tombstone : contents.randomElement(using: &random)
        let request = WriteRequest(
            name: name, content: content ?? .tombstone,
            home: Bool.random(using: &random) ? nodes.randomElement(using: &random) : nil, precondition: .none)
        let dot = Dot(node: nodes[who], epoch: 1, counter: UInt64(made.count + 1))
        guard
            let version = try? request.version(
                after: sets[who][name], dot: dot, clock: &clocks[who],
                wallMilliseconds: UInt64.random(in: 0..<1_000, using: &random))
        else { return }
        sets[who][name] = sets[who][name]?.merged(with: [version]) ?? VersionSet(version)
        made.append(version)
    }
}

@Suite struct CatalogueTests {
    @Test(
        "a write that is overtaken when its turn comes is not made; what was being written is to be seen once that has settled"
    )
    func overtaken() async throws {
        try await withStore(Scratch()) { store in
            let lease = try await store.keep(text("x"))
            let content = Version.Content.blob(digest: lease.digest, size: lease.size, mediaType: "x/y")
            func write(_ text: String, unless isOvertaken: @escaping @Sendable (VersionSet?) -> Bool) async throws {
                _ = try await store.write(
                    WriteRequest(name: name(text), content: content, home: nil, precondition: .none),
                    wallMilliseconds: 1, holding: lease, unless: isOvertaken)
            }
            let seen = NIOLockedValueBox<[VersionSet?]>([])
            try await write("a") { set in
                seen.withLockedValue { $0.append(set) }
                return false
            }
            await #expect(throws: StorageError.refused(.overtaken)) {
                try await write("a") { set in
                    seen.withLockedValue { $0.append(set) }
                    return true
                }
            }
            #expect(seen.withLockedValue { $0.map { $0?.versions.count ?? 0 } } == [0, 1])
            #expect(try await store.versions(of: name("a"))?.versions.count == 1)

            let (began, signal) = AsyncStream<Void>.makeStream()
            async let late: Void = write("b") { _ in
                signal.yield()
                // Time to ask while nothing is committed yet.
                usleep(50_000)
                return false
            }
            for await _ in began { break }
            try await store.settled()
            #expect(try await store.versions(of: name("b")) != nil)
            try await late
        }
    }

    @Test(
        "the catalogue is a dictionary of version sets: same merges, same sets, and its groups equal a recount",
        arguments: 1...4 as ClosedRange<UInt64>)
    func merges(seed: UInt64) async throws {
        try await withStore(Scratch()) { store in
            var leases: [BlobLease] = []
            for number in 0..<4 { leases.append(try await store.keep(noise(10 + number, seed: UInt64(number)))) }
            let contents = leases.map { Version.Content.blob(digest: $0.digest, size: $0.size, mediaType: "x/y") }
            var writers = try Writers(seed: seed, contents: contents, nameCount: 6)
            while writers.made.count < 120 { try writers.step() }

            var model: [ResourceName: VersionSet] = [:]
            var random = SeededGenerator(seed: seed &+ 100)
            for _ in 0..<80 {
                let batch = (0..<Int.random(in: 1...6, using: &random)).compactMap { _ in
                    writers.made.randomElement(using: &random)
                }
                for version in batch where !batch.isEmpty {
                    guard version == batch.first(where: { $0.name == version.name }) else { continue }
                    let own = batch.filter { $0.name == version.name }
                    model[version.name] = model[version.name]?.merged(with: own) ?? VersionSet(own)
                }
                let changed = try await store.merge(batch, holding: leases)
                let again = try await store.merge(batch, holding: leases)
                #expect(again.isEmpty, "merging what is held changes nothing")
                for group in changed {
                    let now = try await store.group(group.key)
                    #expect(now == group)
                }
                try await store.expectGroupsAreRight()
            }
            for name in writers.names {
                let held = try await store.versions(of: name)
                #expect(held == model[name])
            }
            // Each group's names are exactly those whose head says so.
            for group in try await store.groups() {
                let held = try await store.versions(in: [group.key]).first
                let wanted = model.values.filter { $0.group(in: store.cluster) == group.key }
                #expect(held == wanted.sorted { $0.name < $1.name })
            }
        }
    }

    @Test("the order of merges does not matter", arguments: 1...4 as ClosedRange<UInt64>)
    func commutes(seed: UInt64) async throws {
        try await withStore(Scratch()) { one in
            try await withStore(Scratch()) { other in
                let bytes = text("the same bytes")
                let leases = [try await one.keep(bytes), try await other.keep(bytes)]
                let content = Version.Content.blob(
                    digest: leases[0].digest, size: leases[0].size, mediaType: "text/plain")
                // So many names that hardly one has more versions than a set keeps.
                var writers = try Writers(seed: seed, contents: [content], nameCount: 60)
                while writers.made.count < 90 { try writers.step() }
                for version in writers.made { try await one.merge([version]) }
                var random = SeededGenerator(seed: seed)
                try await other.merge(writers.made.shuffled(using: &random))
                let groups = try await one.groups()
                #expect(!groups.isEmpty)
                #expect(try await other.groups() == groups)
                withExtendedLifetime(leases) {}
            }
        }
    }

    @Test("a write reports the groups that it changed: the one that a name left, and the one it came to")
    func homeChange() async throws {
        try await withStore(Scratch()) { store in
            let first = try await store.put("a", text("1"), home: node("simba"))
            let second = try await store.put("a", text("22"), home: node("mkango"))
            let (simba, mkango) = (try node("simba"), try node("mkango"))
            #expect(first.groups.map(\.key.home) == [simba])
            #expect(second.groups.map(\.key.home) == [mkango, simba])
            #expect(second.groups.map(\.names) == [1, 0])
            #expect(second.groups.map(\.bytes) == [3, 0])
            #expect(try await store.groups() == [second.groups[0]])
            #expect(second.set.versions.count == 2)
            try await store.expectGroupsAreRight()
        }
    }

    @Test("of many writers that expect the name to be absent exactly one wins")
    func conditional() async throws {
        try await withStore(Scratch()) { store in
            let wins = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<20 {
                    group.addTask {
                        do {
                            try await store.put("a", text("\(number)"), precondition: .absent)
                            return true
                        } catch StorageError.refused(.preconditionFailed) { return false }
                    }
                }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(wins == 1)
            try await store.collect()
            let set = try await store.versions(of: name("a"))
            #expect(set?.versions.count == 1)
            let held = try await store.held()
            #expect(held.resources == 1)
        }
    }

    @Test("deleting what is not there is refused and changes nothing")
    func deleteAbsent() async throws {
        try await withStore(Scratch()) { store in
            await #expect(throws: StorageError.refused(.notFound)) { try await store.delete("a") }
            let groups = try await store.groups()
            #expect(groups.isEmpty)
        }
    }

    @Test("a tombstone is forgotten only while it is all that is held of the name")
    func forget() async throws {
        try await withStore(Scratch()) { store in
            try await store.put("a", text("x"))
            let tombstone = try await store.delete("a").set
            try await store.put("a", text("again"))
            try await store.forget([tombstone])
            #expect(try await store.versions(of: name("a"))?.live != nil)
            let later = try await store.delete("a").set
            let told = NIOLockedValueBox<[GroupSummary]>([])
            try await store.forget([later]) { groups in told.withLockedValue { $0 = groups } }
            #expect(told.withLockedValue { $0.map(\.isEmpty) } == [true])
            #expect(try await store.versions(of: name("a")) == nil)
            #expect(try await store.groups().isEmpty)
        }
    }

    @Test("names that were deleted long enough ago are found, page by page, and no others")
    func deletedNames() async throws {
        try await withStore(Scratch()) { store in
            var latest: UInt64 = 0
            for letter in ["a", "b", "c", "d"] {
                try await store.put(letter, text(letter))
                if letter != "b" { latest = try await store.delete(letter).version.time.wallMilliseconds }
            }
            let now = latest + 10_000
            let first = try await store.deleted(after: nil, for: .seconds(10), wallMilliseconds: now, limit: 2)
            #expect(first.sets.map(\.name.text) == ["a", "c"])
            #expect(first.next == first.sets.last?.name)
            let second = try await store.deleted(
                after: first.next, for: .seconds(10), wallMilliseconds: now, limit: 2)
            #expect(second.sets.map(\.name.text) == ["d"])
            #expect(second.next == nil)
            let tooSoon = try await store.deleted(after: nil, for: .seconds(11), wallMilliseconds: now, limit: 9)
            #expect(!tooSoon.sets.contains { $0.name.text == "d" })
        }
    }

    @Test("every part of a version survives the table")
    func roundTrip() async throws {
        let scratch = try Scratch()
        var kept: [Version] = []
        try await withStore(scratch) { store in
            let lease = try await store.keep([])
            var context = CausalContext()
            context.add(Dot(node: try node("b"), epoch: .max, counter: .max))
            context.add(Dot(node: try node("a"), epoch: 0, counter: 1))
            kept = [
                Version(
                    name: try name("ünï/çödé"), dot: Dot(node: try node("c"), epoch: .max - 1, counter: 1 << 63),
                    context: context, time: HybridTime(raw: .max),
                    content: .blob(digest: lease.digest, size: 0, mediaType: "text/plain; charset=\"ü\""), home: nil),
                Version(
                    name: try name("gone"), dot: Dot(node: try node("c"), epoch: 1, counter: 2), context: context,
                    time: HybridTime(raw: 1 << 63), content: .tombstone, home: try node("a")),
            ]
            try await store.merge(kept, holding: [lease])
        }
        try await withStore(scratch) { store in
            for version in kept { #expect(try await store.versions(of: version.name) == VersionSet(version)) }
            try await store.expectGroupsAreRight()
        }
    }
}
