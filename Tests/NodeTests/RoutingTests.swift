@testable import Node
import Placement
import Relocation
import Resources
import SWIM
import Testing
import Vocabulary

/// Where requests go (DESIGN §7), and what the membership means for it.
@Suite struct RoutingTests {
    let names = ["ada", "bob", "cid", "dan"]

    func node(_ text: String) throws -> NodeName { try NodeName(text) }

    func claim(
        _ text: String, status: Status = .alive, epoch: UInt64 = 1, incarnation: Incarnation = .zero,
        accusers: [NodeName] = []
    ) throws -> Claim {
        Claim(
            name: try node(text), endpoint: try Endpoint(host: "10.0.0.\(text.utf8.first ?? 0)", port: 7667),
            epoch: epoch, incarnation: incarnation, status: status, metadata: .standard, accusers: accusers)
    }

    func suspect(_ text: String, in machine: inout NodeMachine) throws {
        let accused = try claim(text, status: .suspect, accusers: [machine.identity.name])
        drain(&machine, .membership(.merge([accused], from: machine.identity.name)))
    }

    /// A node that has met nobody yet.
    func unmet(_ me: String) throws -> NodeMachine {
        var settings = NodeMachine.Settings()
        settings.convergence.gathering = .zero
        return NodeMachine(
            NodeMachine.Identity(
                name: try node(me), cluster: try ClusterName("crane"), epoch: 1,
                endpoint: try Endpoint(host: "10.0.0.\(me.utf8.first ?? 0)", port: 7667), metadata: .standard),
            settings: settings, at: .zero)
    }

    /// A node that has joined the others and heard that they hold nothing.
    func machine(_ me: String) throws -> NodeMachine {
        var machine = try unmet(me)
        let others = try names.filter { $0 != me }.map { try claim($0) }
        drain(&machine, .lifecycle(.joined(others, from: try node(names.first { $0 != me } ?? "bob"), Absences())))
        return machine
    }

    /// The other one compares lists, and has refuted what it was suspected of.
    func show(_ other: String, to machine: inout NodeMachine, at now: Instant) throws {
        let known = try #require(machine.membership.member(node(other)))
        let incarnation = known.status.isAccusation ? known.incarnation.next : known.incarnation
        let claim = try claim(other, incarnation: incarnation)
        drain(&machine, .membership(.merge([claim], from: claim.name)), at: now)
    }

    /// Feeds an input and answers every comparison with "nothing", until there is none left.
    func drain(_ machine: inout NodeMachine, _ input: NodeMachine.Input, at now: Instant = .zero) {
        var rng = SeededGenerator(seed: 1)
        machine.drain(input, at: now, using: &rng)
    }

    func name(ownedBy owners: [String], in machine: NodeMachine) throws -> ResourceName {
        for number in 0..<10_000 {
            let name = try ResourceName("resource-\(number)")
            let slot = Slot(ofName: name.text, in: machine.identity.cluster)
            if machine.convergence.owners(of: slot).map(\.text) == owners { return name }
        }
        throw Missing()
    }

    private struct Missing: Error {}

    @Test("a node that does not own the name passes a read to its owners in rank order")
    func nonOwnerForwards() throws {
        let machine = try machine("ada")
        let name = try name(ownedBy: ["cid", "bob"], in: machine)
        guard case .forward(let nodes) = machine.route(reading: name, held: nil, visited: [], at: .zero) else {
            Issue.record("it did not forward")
            return
        }
        #expect(nodes.prefix(2).map(\.text) == ["cid", "bob"])
        #expect(!nodes.contains(machine.identity.name))
    }

    @Test("of two owners that are equally near, one that passed a query on lately is asked last, for a while")
    func detours() throws {
        var machine = try machine("ada")
        let name = try name(ownedBy: ["cid", "bob"], in: machine)
        func first(at now: Instant) -> [String] {
            guard case .forward(let nodes) = machine.route(reading: name, held: nil, visited: [], at: now) else {
                return []
            }
            return nodes.prefix(2).map(\.text)
        }
        drain(&machine, .passedOn(by: try node("cid")))
        #expect(first(at: .zero) == ["bob", "cid"], "both are asked all the same before anything is concluded")
        let later = Instant.zero + Detours.memory
        #expect(first(at: later) == ["cid", "bob"])
        drain(&machine, .passedOn(by: try node("cid")))
        drain(&machine, .passedOn(by: try node("bob")))
        #expect(first(at: .zero) == ["cid", "bob"], "of two of that kind the rank decides")
        drain(&machine, .passedOn(by: try node("eve")))
        #expect(!machine.detours.isLikely(by: try node("eve"), at: .zero), "who is no member leaves no trace")
    }

    @Test("a request never goes to a node that it has been at, nor past the bound of hops")
    func neverInCircles() throws {
        let machine = try machine("ada")
        let name = try name(ownedBy: ["cid", "bob"], in: machine)
        guard case .forward(let nodes) = machine.route(reading: name, held: nil, visited: [try node("cid")], at: .zero)
        else {
            Issue.record("it did not forward")
            return
        }
        #expect(nodes.map(\.text) == ["bob"], "a node asked by another turns to the owners only")
        let all = try names.dropFirst().map { try node($0) }
        #expect(machine.route(reading: name, held: nil, visited: all, at: .zero) == .nobody)
        let many = try (0..<NodeMachine.hopsMax).map { try node("other-\($0)") }
        #expect(machine.route(reading: name, held: nil, visited: many, at: .zero) == .nobody)
    }

    @Test("an owner answers what it holds; what it does not hold it asks its fellow owner first")
    func ownerAnswers() throws {
        var machine = try machine("ada")
        let name = try name(ownedBy: ["ada", "bob"], in: machine)
        let version = Version(
            name: name, dot: Dot(node: try node("ada"), epoch: 1, counter: 1), context: CausalContext(),
            time: HybridTime(raw: 1), content: .tombstone, home: nil)
        let set = VersionSet(version)
        var summary = GroupSummary(key: set.group(in: machine.identity.cluster))
        summary.add(set)
        drain(&machine, .convergence(.loaded([summary])))
        #expect(machine.route(reading: name, held: set, visited: [], at: .zero) == .here)
        guard case .forward(let nodes) = machine.route(reading: name, held: nil, visited: [], at: .zero) else {
            Issue.record("it did not ask its fellow owner")
            return
        }
        #expect(nodes.first?.text == "bob")
    }

    @Test("a node that is joining answers nothing from its own disk")
    func joiningForwards() throws {
        var machine = try machine("ada")
        let name = try name(ownedBy: ["ada", "bob"], in: machine)
        drain(&machine, .lifecycle(.joining))
        guard case .forward = machine.route(reading: name, held: nil, visited: [], at: .zero) else {
            Issue.record("it answered")
            return
        }
        #expect(machine.phase == .joining)
    }

    @Test("writes of one name meet at its first owner, wherever they come in")
    func writesMeet() throws {
        let ada = try machine("ada")
        let name = try name(ownedBy: ["cid", "bob"], in: ada)
        guard case .forward(let nodes) = ada.route(writing: name, visited: [], at: .zero) else {
            Issue.record("it did not forward")
            return
        }
        #expect(nodes.first?.text == "cid")
        #expect(try machine("cid").route(writing: name, visited: [try node("ada")], at: .zero) == .here)
    }

    @Test("a suspect keeps its place as an owner but is asked last, and a crashed one loses it after the delay")
    func suspectsAndCrashed() throws {
        var machine = try machine("ada")
        let name = try name(ownedBy: ["cid", "bob"], in: machine)
        let slot = Slot(ofName: name.text, in: machine.identity.cluster)
        let suspicion = Claim(
            name: try node("cid"), endpoint: try Endpoint(host: "10.0.0.99", port: 7667), epoch: 1, incarnation: .zero,
            status: .suspect, metadata: .standard, accusers: [try node("dan")])
        drain(&machine, .membership(.merge([suspicion], from: try node("dan"))))
        #expect(machine.convergence.owners(of: slot).map(\.text) == ["cid", "bob"])
        guard case .forward(let nodes) = machine.route(reading: name, held: nil, visited: [], at: .zero) else {
            Issue.record("it did not forward")
            return
        }
        #expect(nodes.first?.text == "bob")

        var now = Instant.zero
        for _ in 0..<10_000 where machine.convergence.owners(of: slot).map(\.text).contains("cid") {
            now = max(now, machine.deadline)
            drain(&machine, .tick, at: now)
            // Those that are left show that they are.
            for other in ["bob", "dan"] {
                try show(other, to: &machine, at: now)
            }
        }
        #expect(!machine.convergence.owners(of: slot).map(\.text).contains("cid"))
        #expect(now >= Instant.zero + machine.settings.relocationDelay)
        // It counted as silent until now, and what it was the home of is on one less still: one more may not be passed over.
        let anyOther = try self.name(ownedBy: ["bob", "dan"], in: machine)
        #expect(machine.convergence.isHalfHeard(Slot(ofName: anyOther.text, in: machine.identity.cluster)))
    }

    @Test("a name is denied only when fewer nodes kept silent than there are copies")
    func silenceIsNoAnswer() throws {
        var machine = try machine("ada")
        let name = try name(ownedBy: ["ada", "bob"], in: machine)
        let slot = Slot(ofName: name.text, in: machine.identity.cluster)
        // Once what moved has settled.
        drain(&machine, .tick, at: .zero + .seconds(61))
        #expect(!machine.convergence.isUnsettled(slot))
        #expect(machine.hasHeardEnough(of: slot, besides: []))
        #expect(
            machine.hasHeardEnough(of: slot, besides: [try node("cid"), try node("dan")]), "they own nothing of it")
        #expect(machine.hasHeardEnough(of: slot, besides: [try node("bob")]), "what bob holds another one holds, too")
        #expect(!machine.hasHeardEnough(of: slot, besides: [try node("bob"), try node("cid")]))
        // bob kept silent, and cid came back when the others had been asked already.
        let asked = [try node("bob"), try node("dan")]
        #expect(!machine.hasHeardEnough(of: slot, besides: [try node("bob")], asked: asked))
        #expect(machine.hasHeardEnough(of: slot, besides: [try node("bob")], asked: asked + [try node("cid")]))
        #expect(!machine.knowsAll(of: slot, by: [try node("cid")]))
        #expect(machine.knowsAll(of: slot, by: [try node("bob")]))
    }

    @Test("where somebody went who was still to be heard, every silent node counts")
    func halfHeard() throws {
        var machine = NodeMachine(
            NodeMachine.Identity(
                name: try node("ada"), cluster: try ClusterName("crane"), epoch: 1,
                endpoint: try Endpoint(host: "10.0.0.97", port: 7667), metadata: .standard),
            settings: NodeMachine.Settings(), at: .zero)
        var rng = SeededGenerator(seed: 1)
        var effects: [NodeMachine.Effect] = []
        let others = try names.filter { $0 != "ada" }.map { try claim($0) }
        machine.handle(
            .lifecycle(.joined(others, from: try node("bob"), Absences())), at: .zero, using: &rng, into: &effects)
        // Before it has told what it holds.
        drain(&machine, .membership(.merge([try claim("bob", status: .left)], from: try node("bob"))))
        let name = try name(ownedBy: ["ada", "cid"], in: machine)
        let slot = Slot(ofName: name.text, in: machine.identity.cluster)
        #expect(machine.convergence.isHalfHeard(slot))
        #expect(!machine.hasHeardEnough(of: slot, besides: [try node("cid")]))
        #expect(machine.hasHeardEnough(of: slot, besides: []))
        drain(&machine, .tick, at: .zero + .seconds(61))
        #expect(!machine.convergence.isHalfHeard(slot))
    }

    @Test("who is left alone denies nothing, however long the others are gone, until they are forgotten")
    func leftAlone() throws {
        var machine = try machine("ada")
        let name = try name(ownedBy: ["ada", "bob"], in: machine)
        let slot = Slot(ofName: name.text, in: machine.identity.cluster)
        for other in names.dropFirst() {
            try suspect(other, in: &machine)
        }
        var now = Instant.zero
        for _ in 0..<10_000 where !machine.isOutnumbered || now < .zero + .seconds(120) {
            now = max(now, machine.deadline)
            drain(&machine, .tick, at: now)
        }
        #expect(machine.isOutnumbered && now >= .zero + .seconds(120))
        drain(&machine, .tick, at: now + .seconds(120))
        #expect(
            machine.convergence.owners(of: slot).map(\.text) == ["ada", "bob"], "nothing moves to the few that are left"
        )
        let isEnough = machine.hasHeardEnough(of: slot, besides: [])
        #expect(!isEnough)
        #expect(machine.route(reading: name, held: nil, visited: [], at: now + .seconds(120)) == .nobody)
        for other in names.dropFirst() {
            drain(&machine, .membership(.forget(try node(other))), at: now + .seconds(121))
        }
        drain(&machine, .tick, at: now + .seconds(121))
        #expect(machine.convergence.owners(of: slot).map(\.text) == ["ada"])
        let isEnoughNow = machine.hasHeardEnough(of: slot, besides: [])
        #expect(isEnoughNow)
    }

    @Test("what falls to an owner as another one goes, and is at home elsewhere, it does not judge alone at first")
    func heirOfHomedGroup() throws {
        var machine = try machine("ada")
        // cid and ada own the slot, bob is the home: the copies are bob's and cid's.
        let name = try name(ownedBy: ["cid", "ada"], in: machine)
        let home = try node("bob")
        let slot = Slot(ofName: name.text, in: machine.identity.cluster)
        let key = GroupKey(slot: slot, home: home)
        #expect(machine.convergence.owners(of: key) == [home, try node("cid")])
        var now = Instant.zero
        func goOn(while condition: (NodeMachine) throws -> Bool) throws {
            for _ in 0..<100_000 where try condition(machine) {
                now = max(now, machine.deadline)
                drain(&machine, .tick, at: now)
                // Those that are left show that they are.
                for other in ["bob", "dan"] {
                    try show(other, to: &machine, at: now)
                }
            }
        }
        let suspicion = try claim("cid", status: .suspect, accusers: [node("dan")])
        drain(&machine, .membership(.merge([suspicion], from: try node("dan"))))
        try goOn { try $0.convergence.owners(of: key).contains(node("cid")) }
        try #require(machine.convergence.owners(of: key) == [home, machine.identity.name])

        // A put lets it have one of the group's names; what else bob has of that it has not been told yet.
        let set = VersionSet(
            Version(
                name: name, dot: Dot(node: machine.identity.name, epoch: 1, counter: 1), context: CausalContext(),
                time: HybridTime(raw: 1), content: .tombstone, home: home))
        #expect(!machine.judgesAlone(name, held: set, at: now))
        #expect(machine.witnesses(writing: name, held: set, at: now) != nil)
        try goOn { $0.convergence.isUnsettled(slot) }
        #expect(machine.judgesAlone(name, held: set, at: now))
    }

    @Test("an owner that knows of a newer version elsewhere answers neither with its own nor with \"there is none\"")
    func newerElsewhere() throws {
        var machine = try machine("ada")
        let name = try name(ownedBy: ["ada", "bob"], in: machine)
        func version(_ counter: UInt64, _ time: UInt64, by writer: String) throws -> Version {
            Version(
                name: name, dot: Dot(node: try node(writer), epoch: 1, counter: counter), context: CausalContext(),
                time: HybridTime(raw: time), content: .tombstone, home: nil)
        }
        let set = VersionSet(try version(1, 1, by: "ada"))
        var summary = GroupSummary(key: set.group(in: machine.identity.cluster))
        summary.add(set)
        drain(&machine, .convergence(.loaded([summary])))
        #expect(machine.route(reading: name, held: set, visited: [], at: .zero) == .here)
        drain(&machine, .convergence(.declined(try version(1, 2, by: "bob"), from: try node("bob"), byDisk: true)))
        guard case .forward(let nodes) = machine.route(reading: name, held: set, visited: [], at: .zero) else {
            Issue.record("it answered")
            return
        }
        #expect(nodes.first?.text == "bob" && !nodes.contains(machine.identity.name))
        #expect(machine.isBehind(on: name, held: set, at: .zero))
        #expect(try #require(machine.witnesses(writing: name, held: set, at: .zero)).contains(node("bob")))
    }

    @Test("a draining node owns nothing any more")
    func drainingOwnsNothing() throws {
        var machine = try machine("ada")
        let name = try name(ownedBy: ["ada", "bob"], in: machine)
        drain(&machine, .lifecycle(.drain))
        let slot = Slot(ofName: name.text, in: machine.identity.cluster)
        #expect(!machine.convergence.owners(of: slot).map(\.text).contains("ada"))
        #expect(machine.phase == .draining)
        #expect(machine.convergence.isDrained)
    }
}
