@testable import Node
import Placement
import Relocation
import Resources
import SWIM
import Testing
import Vocabulary

/// What a write that depends on the state of its name is judged by (law 4).
@Suite struct TestimoniesTests {
    private let (ada, bob, cid): (NodeName, NodeName, NodeName)
    private let name: ResourceName

    init() throws {
        (ada, bob, cid) = (try NodeName("ada"), try NodeName("bob"), try NodeName("cid"))
        name = try ResourceName("a")
    }

    private func version(by node: NodeName, counter: UInt64 = 1, seen: VersionSet? = nil) -> Version {
        Version(
            name: name, dot: Dot(node: node, epoch: 1, counter: counter), context: seen?.context ?? CausalContext(),
            time: HybridTime(wallMilliseconds: 1000 * counter, counter: 0), content: .tombstone, home: nil)
    }

    /// Of a node of its own.
    private func concurrent(_ number: UInt64) -> Version {
        guard let node = try? NodeName("n\(number)") else { return version(by: ada) }
        return version(by: node, counter: number)
    }

    @Test("what all hold together is seen, other names' versions are not, and who is silent is known until it speaks")
    func seen() throws {
        var all = Testimonies(of: name, held: VersionSet(version(by: ada)))
        all.heard(Testimony(versions: [version(by: bob)]), from: bob)
        all.heard(nil, from: cid)
        #expect(all.silent == [cid] && all.behind.isEmpty && all.answered == [bob])
        let other = Version(
            name: try ResourceName("b"), dot: Dot(node: cid, epoch: 1, counter: 9), context: CausalContext(),
            time: HybridTime(wallMilliseconds: 9, counter: 0), content: .tombstone, home: nil)
        all.heard(Testimony(versions: [other]), from: cid)
        #expect(all.silent.isEmpty && all.answered == [bob, cid])
        all.heard(nil, from: bob)
        #expect(all.silent == [bob] && all.answered == [cid])
        #expect(Set(all.seen?.versions.map(\.dot.node) ?? []) == [ada, bob], "what was told stays told")
        all.holds(VersionSet(version(by: ada, counter: 2)))
        #expect(all.seen?.versions.count == 3)
        all.askAgain()
        #expect(all.silent == [bob] && all.answered.isEmpty && all.seen?.versions.count == 3)
    }

    @Test("one that knows of a write that nobody told of counts as silent, until somebody does; more than any is none")
    func expecting() {
        let elsewhere = version(by: cid)
        var all = Testimonies(of: name, held: nil)
        all.heard(Testimony(isBehind: true), from: ada)
        all.heard(Testimony(elsewhere: [elsewhere.dot]), from: bob)
        #expect(all.behind == [ada] && all.expecting == [bob] && all.silent.isEmpty)
        all.heard(Testimony(versions: [elsewhere]), from: cid)
        #expect(all.behind == [ada] && all.expecting.isEmpty, "it was told of after all")
        all.heard(Testimony(), from: ada)
        #expect(all.behind.isEmpty)
        let many = (1...6).map { version(by: cid, counter: $0).dot }
        #expect(Testimony(elsewhere: many) == Testimony(isBehind: true))
        // So many concurrent ones that one of them is kept by nobody.
        for counter in 2...7 as ClosedRange<UInt64> {
            all.heard(Testimony(versions: [concurrent(counter)]), from: cid)
        }
        all.heard(Testimony(versions: [concurrent(1)], elsewhere: [concurrent(2).dot]), from: bob)
        #expect(all.seen?.version(concurrent(2).dot) == nil && all.expecting.isEmpty)
    }

    // MARK: Judging

    /// ada, who has met the others and heard that they hold nothing.
    private func machine() throws -> NodeMachine {
        var settings = NodeMachine.Settings()
        settings.convergence.gathering = .zero
        func endpoint(_ node: NodeName) throws -> Endpoint {
            try Endpoint(host: "10.0.0.\(node.text.utf8.first ?? 0)", port: 7667)
        }
        var machine = NodeMachine(
            NodeMachine.Identity(
                name: ada, cluster: try ClusterName("crane"), epoch: 1, endpoint: try endpoint(ada),
                metadata: .standard),
            settings: settings, at: .zero)
        let others = try [bob, cid].map { node in
            Claim(
                name: node, endpoint: try endpoint(node), epoch: 1, incarnation: .zero, status: .alive,
                metadata: .standard)
        }
        feed(.lifecycle(.joined(others, from: bob, Absences())), to: &machine)
        feed(.tick, to: &machine, at: .zero + .seconds(61))
        return machine
    }

    private func feed(_ input: NodeMachine.Input, to machine: inout NodeMachine, at now: Instant = .zero) {
        var rng = SeededGenerator(seed: 1)
        machine.drain(input, at: now, using: &rng)
    }

    private func name(ownedBy owners: Set<NodeName>, in machine: NodeMachine) throws -> ResourceName {
        for number in 0..<1_000 {
            let name = try ResourceName("n-\(number)")
            let slot = Slot(ofName: name.text, in: machine.identity.cluster)
            if Set(machine.convergence.owners(of: slot)) == owners { return name }
        }
        throw ByteError.illegal
    }

    @Test("a condition is judged by owners in step; past one that is not all are asked, and it counts with silent ones")
    func judged() throws {
        let machine = try machine()
        let name = try name(ownedBy: [ada, bob], in: machine)
        func mayJudge(_ answers: [NodeName: Testimony?], everybody: Bool) -> Bool {
            var all = Testimonies(of: name, held: nil)
            for (node, testimony) in answers { all.heard(testimony, from: node) }
            return machine.mayJudge(name, by: all, everybody: everybody)
        }
        #expect(machine.witnesses(writing: name, held: nil, at: .zero + .seconds(61)) == [bob])
        #expect(mayJudge([bob: Testimony()], everybody: false))
        #expect(!mayJudge([bob: Testimony(isBehind: true)], everybody: false))
        #expect(!mayJudge([bob: nil], everybody: false))
        #expect(mayJudge([bob: Testimony(isBehind: true), cid: Testimony(isBehind: true)], everybody: true))
        #expect(!mayJudge([bob: Testimony(isBehind: true), cid: nil], everybody: true))
        let elsewhere = Testimony(elsewhere: [version(by: bob).dot])
        #expect(mayJudge([bob: elsewhere, cid: Testimony()], everybody: true))
        #expect(!mayJudge([bob: elsewhere, cid: elsewhere], everybody: true))
        #expect(!mayJudge([bob: nil, cid: Testimony(isBehind: true)], everybody: true))
    }

    @Test("a node on its way in says that what it holds may not be all")
    func testimony() throws {
        var machine = try machine()
        let now = Instant.zero + .seconds(61)
        func testimony(holding held: VersionSet?) -> Testimony {
            machine.outlook(on: name, at: now).testimony(holding: held)
        }
        #expect(testimony(holding: nil) == Testimony())
        let elsewhere = version(by: bob)
        feed(.convergence(.declined(elsewhere, from: bob, byDisk: true)), to: &machine, at: now)
        #expect(testimony(holding: nil) == Testimony(elsewhere: [elsewhere.dot]))
        let held = VersionSet(elsewhere)
        #expect(testimony(holding: held) == Testimony(versions: [elsewhere]))
        feed(.lifecycle(.joining), to: &machine, at: now)
        #expect(testimony(holding: nil).isBehind)
    }
}
