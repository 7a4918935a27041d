import Placement
import Resources
import Testing
import Vocabulary

@testable import Relocation

/// What is pulled when.
@Suite struct PullQueueTests {
    @Test(
        "small ones take a part of a stream each; a large one waits until there is room for it, and nobody overtakes it"
    )
    func unitsOfStreams() throws {
        var queue = PullQueue()
        func add(_ name: String, size: UInt64, copies: Int) {
            let version = World.version(name, by: "ada", size: size)
            let isAdded = queue.add(
                [version], of: version.name, from: World.node("ada"), copies: copies, limit: 1_000)
            #expect(isAdded)
        }
        for number in 0..<40 { add("small\(number)", size: 1, copies: 1) }
        add("large", size: .max, copies: 2)
        add("last", size: 1, copies: 3)
        var started: [Version] = []
        while let (version, _, _) = queue.start(within: 2) { started.append(version) }
        #expect(started.count == 40 && queue.active == 40)
        for version in started.prefix(7) { queue.finish(version.dot, of: version.name, durable: true) }
        let whileFull = queue.start(within: 2)
        #expect(whileFull == nil)
        let eighth = started[7]
        queue.finish(eighth.dot, of: eighth.name, durable: false)
        let large = queue.start(within: 2)
        let afterLarge = queue.start(within: 2)
        #expect(large?.0.name.text == "large" && afterLarge == nil)
        let ninth = started[8]
        queue.finish(ninth.dot, of: ninth.name, durable: true)
        let last = queue.start(within: 2)
        #expect(last?.0.name.text == "last")
        #expect(queue.active == 33)
    }

    @Test("a name whose other holder is lost while it waits goes before those that are on more nodes")
    func losesCopies() {
        var queue = PullQueue()
        func add(_ name: String, copies: Int) {
            let version = World.version(name, by: "ada", size: .max)
            _ = queue.add([version], of: version.name, from: World.node("ada"), copies: copies, limit: 1_000)
        }
        for number in 1...5 { add("n\(number)", copies: 2) }
        // One that is under way keeps its place, and another that is told again with more copies does, too.
        let first = queue.start(within: 1)
        add("n1", copies: 1)
        add("n4", copies: 1)
        add("n5", copies: 3)
        var order: [String] = []
        if let version = first?.0 { queue.finish(version.dot, of: version.name, durable: true) }
        while let version = queue.start(within: 1)?.0 {
            order.append(version.name.text)
            queue.finish(version.dot, of: version.name, durable: true)
        }
        #expect(first?.0.name.text == "n1")
        #expect(order == ["n4", "n2", "n3", "n5"])
        #expect(queue.count == 0 && queue.active == 0)
    }

    @Test("what waits is not pulled any more when an owner has come back who owns it in this node's place")
    func disowned() {
        let all = ["ada", "bob", "cid"]
        let names = (0..<10_000).lazy.map { "n\($0)" }.filter { text in
            !World.ring(all).owners(of: Slot(ofName: text, in: World.cluster), home: nil, count: 2)
                .contains(World.node("cid"))
        }.prefix(20)
        var subject = Subject("cid", among: ["ada", "cid"])
        let offered = names.map { text in
            let set = VersionSet(World.version(text, by: "ada", size: PullQueue.smallBytesMax + 1))
            return ExchangeGroup(key: set.group(in: World.cluster), sets: [set], copies: 1)
        }
        subject.feed(.offered(by: World.node("ada"), Array(offered), mine: []))
        let begun = subject.effects.compactMap { if case .pull(let version, _) = $0 { version } else { nil } }
        #expect(begun.count == 4)
        subject.effects = []
        subject.feed(.view(World.view(all, for: "cid"), hear: .asOwnersChange, restarted: []))
        for version in begun { subject.feed(.pulled(version, .durable)) }
        let later = subject.effects.compactMap { if case .pull(let version, _) = $0 { version } else { nil } }
        #expect(later == [] && subject.core.totals.pullsQueued == 0)
    }

    @Test("what another asks to have stood in for is pulled, though it is none of this node's")
    func standsIn() throws {
        let all = ["ada", "bob", "cid"]
        let set = VersionSet(World.version(World.nameOwned(by: ["ada", "bob"], among: all), by: "ada"))
        var subject = Subject("cid", among: all)
        for toStandIn in [false, true] {
            let group = ExchangeGroup(
                key: set.group(in: World.cluster), sets: [set], copies: 1, toStandIn: toStandIn)
            subject.feed(.offered(by: World.node("ada"), [group], mine: []))
            let pulls = subject.effects.compactMap { if case .pull(let version, _) = $0 { version } else { nil } }
            #expect(pulls == (toStandIn ? [set.head] : []))
        }
    }
}
