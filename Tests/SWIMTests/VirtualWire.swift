import SWIM
import Vocabulary

/// A small virtual network for a few Membership values: virtual time, fixed seeds and delays, cuts and loss.
/// It writes down who says what to whom.
struct VirtualWire {
    struct Host {
        var membership: Membership
        var generator: SeededGenerator
        var isRunning = true
    }

    private struct Delivery {
        enum Content {
            case packet(Packet, from: Endpoint)
            case exchange(from: NodeName)
            case fallback(SequenceNumber, of: NodeName, [Claim], from: NodeName)
        }
        let at: Instant
        let order: Int
        let to: Endpoint
        let sender: NodeName
        let content: Content
    }

    struct Link: Hashable {
        let from: NodeName
        let to: NodeName
    }

    var settings = Membership.Settings()
    var delay: Duration = .milliseconds(5)
    /// Datagrams of 1,000 that are lost.
    var lossPerThousand = 0
    var loss: SeededGenerator
    let seed: UInt64
    private(set) var now = Instant.zero
    private(set) var hosts: [NodeName: Host] = [:]
    private(set) var names: [NodeName] = []
    private var inFlight: [Delivery] = []
    private var order = 0
    /// What a probe over TLS finds of a host that was stopped; nil: nothing comes back, ever.
    var fallbackOfStopped: Membership.FallbackResult?
    private(set) var cuts: Set<Link> = []
    /// Ways that only TLS passes.
    private(set) var datagramCuts: Set<Link> = []
    /// Their datagrams are sealed with a key that the others lack, and the other way about, until an exchange.
    private(set) var strangers: Set<NodeName> = []
    private(set) var transcript: [String] = []
    var showsPackets = false
    private(set) var events: [(observer: NodeName, event: MemberEvent)] = []
    private(set) var packetCount = 0
    private(set) var largestPacket = 0
    private(set) var ticksWithoutProgress = 0

    init(seed: UInt64) {
        self.seed = seed
        loss = SeededGenerator(seed: seed ^ 0x1055)
    }

    static func endpoint(_ index: Int) -> Endpoint {
        guard let endpoint = try? Endpoint(host: "10.0.\(index / 250).\(index % 250 + 1)", port: 7667) else {
            preconditionFailure("a literal address")
        }
        return endpoint
    }

    // MARK: What a story may do

    mutating func start(_ name: NodeName, epoch: UInt64 = 1, at endpoint: Endpoint? = nil, zone: String? = nil) {
        let isNew = hosts[name] == nil
        let place = endpoint ?? hosts[name]?.membership.oneself.endpoint ?? Self.endpoint(names.count)
        if isNew { names.append(name) }
        let membership = Membership(
            identity: name, epoch: epoch, endpoint: place,
            metadata: (try? Metadata(zone: zone)) ?? .standard, settings: settings, at: now)
        let ownSeed = name.text.utf8.reduce(seed &+ epoch) { $0 &* 31 &+ UInt64($1) }
        hosts[name] = Host(membership: membership, generator: SeededGenerator(seed: ownSeed))
    }

    /// Power off: nothing more is said, timers stand still for ever.
    mutating func stop(_ name: NodeName) { hosts[name]?.isRunning = false }

    /// The joiner's first exchange with a seed.
    mutating func join(_ joiner: NodeName, through seed: NodeName) { exchange(joiner, with: seed) }

    mutating func input(_ input: Membership.Input, to name: NodeName) { handle(input, at: name) }

    mutating func cut(_ a: NodeName, _ b: NodeName) { cuts.formUnion([Link(from: a, to: b), Link(from: b, to: a)]) }
    mutating func cutOneWay(from a: NodeName, to b: NodeName) { cuts.insert(Link(from: a, to: b)) }
    mutating func heal(_ a: NodeName, _ b: NodeName) { cuts.subtract([Link(from: a, to: b), Link(from: b, to: a)]) }
    mutating func healAll() {
        cuts = []
        datagramCuts = []
    }

    /// A firewall that lets only TLS through, in both directions.
    mutating func blockDatagrams(of name: NodeName) {
        for other in names where other != name {
            datagramCuts.formUnion([Link(from: name, to: other), Link(from: other, to: name)])
        }
    }
    mutating func blockDatagrams(from a: NodeName, to b: NodeName) { datagramCuts.insert(Link(from: a, to: b)) }

    mutating func estrange(_ name: NodeName) { strangers.insert(name) }

    mutating func note(_ line: String) { transcript.append(line) }
    mutating func clearTranscript() { transcript = [] }

    func view(of name: NodeName) -> [NodeName: Status] {
        let members = hosts[name]?.membership.members ?? []
        return Dictionary(uniqueKeysWithValues: members.map { ($0.name, $0.status) })
    }

    func member(_ name: NodeName, seenBy observer: NodeName) -> Member? { hosts[observer]?.membership.member(name) }

    func events(_ kind: MemberEvent.Kind, about name: NodeName? = nil) -> [(observer: NodeName, event: MemberEvent)] {
        events.filter { $0.event.kind == kind && (name == nil || $0.event.name == name) }
    }

    /// Runs until nothing is left before the time, or the condition holds.
    @discardableResult
    mutating func run(for duration: Duration, until isDone: (VirtualWire) -> Bool = { _ in false }) -> Bool {
        let end = now + duration
        while true {
            if isDone(self) { return true }
            var next = inFlight.first?.at
            var ticker: NodeName?
            for name in names {
                guard let host = hosts[name], host.isRunning, let deadline = host.membership.deadline else { continue }
                let due = max(deadline, now)
                if next.map({ due < $0 }) ?? true {
                    next = due
                    ticker = name
                }
            }
            guard let next, next <= end else {
                now = max(now, end)
                return isDone(self)
            }
            now = max(now, next)
            if let ticker {
                handle(.tick, at: ticker)
                // A tick that leaves its own deadline due would spin the driver.
                if let after = hosts[ticker]?.membership.deadline, after <= now { ticksWithoutProgress += 1 }
            } else {
                deliver(inFlight.removeFirst())
            }
        }
    }

    // MARK: The wire

    private mutating func deliver(_ delivery: Delivery) {
        if case .fallback(let sequence, let target, _, let caller) = delivery.content,
            hosts[target]?.isRunning == false,
            let fallbackOfStopped
        {
            handle(.fallback(sequence, of: target, fallbackOfStopped), at: caller)
            return
        }
        guard let receiver = names.first(where: { hosts[$0]?.membership.oneself.endpoint == delivery.to }),
            hosts[receiver]?.isRunning == true, !cuts.contains(Link(from: delivery.sender, to: receiver))
        else { return }
        switch delivery.content {
        case .packet(let packet, let source):
            guard strangers.isDisjoint(with: [delivery.sender, receiver]),
                !datagramCuts.contains(Link(from: delivery.sender, to: receiver))
            else { return }
            handle(.packet(packet, from: source), at: receiver)
        case .exchange(let caller):
            guard !cuts.contains(Link(from: receiver, to: caller)) else { return }
            exchange(caller, with: receiver)
        case .fallback(let sequence, let target, let claims, let caller):
            guard target == receiver, !cuts.contains(Link(from: receiver, to: caller)) else { return }
            if showsPackets { note("\(stamp)  \(caller) <> \(receiver)  probe over TLS") }
            handle(.merge(claims, from: caller), at: receiver)
            guard let own = hosts[receiver]?.membership.oneself.claim else { return }
            handle(.fallback(sequence, of: target, .answered([own])), at: caller)
        }
    }

    private mutating func exchange(_ caller: NodeName, with callee: NodeName) {
        guard let pushed = hosts[caller]?.membership.claims, let pulled = hosts[callee]?.membership.claims,
            hosts[caller]?.isRunning == true, hosts[callee]?.isRunning == true
        else { return }
        if showsPackets { note("\(stamp)  \(caller) <> \(callee)  exchange") }
        strangers.subtract([caller, callee])
        handle(.merge(pushed, from: caller), at: callee)
        handle(.merge(pulled, from: callee), at: caller)
    }

    private mutating func handle(_ input: Membership.Input, at name: NodeName) {
        var effects: [Membership.Effect] = []
        hosts[name]?.handle(input, at: now, into: &effects)
        for effect in effects {
            switch effect {
            case .send(let packet, let endpoint):
                packetCount += 1
                largestPacket = max(largestPacket, packet.wireSize)
                let receiver = names.first { hosts[$0]?.membership.oneself.endpoint == endpoint }
                let isLost = Int.random(in: 0..<1000, using: &loss) < lossPerThousand
                let isCut = receiver.map { cuts.contains(Link(from: name, to: $0)) } ?? true
                if showsPackets {
                    let arrow = isLost || isCut ? "-x" : "->"
                    note("\(stamp)  \(name) \(arrow) \(receiver?.text ?? endpoint.description)  \(Self.told(packet))")
                }
                guard !isLost, let source = hosts[name]?.membership.oneself.endpoint else { continue }
                enqueue(to: endpoint, from: name, .packet(packet, from: source))
            case .exchange(_, let endpoint): enqueue(to: endpoint, from: name, .exchange(from: name))
            case .fallback(let sequence, let target, let endpoint, let claims):
                enqueue(to: endpoint, from: name, .fallback(sequence, of: target, claims, from: name))
            case .event(let event):
                events.append((name, event))
                let from = event.heardFrom == name ? "own finding" : "heard from \(event.heardFrom)"
                let was = event.previous.map { ", was \($0.rawValue)" } ?? ""
                note(
                    "\(stamp)  \(name) sees \(event.kind.rawValue.uppercased()): \(event.claim) "
                        + "(said by \(event.by), \(from)\(was))")
            }
        }
    }

    private mutating func enqueue(to endpoint: Endpoint, from sender: NodeName, _ content: Delivery.Content) {
        order += 1
        inFlight.append(Delivery(at: now + delay, order: order, to: endpoint, sender: sender, content: content))
    }

    private var stamp: String {
        let text = "\(now)"
        return String(repeating: " ", count: max(0, 9 - text.count)) + text
    }

    private static func told(_ packet: Packet) -> String {
        let message =
            switch packet.message {
            case .ping(_, let target): "ping \(target)"
            case .pingRequest(_, let target, _, let within): "please ping \(target) within \(within)"
            case .ack: "ack"
            case .nack: "nack"
            case .gossip: "gossip"
            }
        return ([message] + packet.claims.map { "[\($0)]" }).joined(separator: " ")
    }
}

extension VirtualWire.Host {
    fileprivate mutating func handle(
        _ input: Membership.Input, at now: Instant, into effects: inout [Membership.Effect]
    ) {
        membership.handle(input, at: now, using: &generator, into: &effects)
    }
}

func name(_ text: String) -> NodeName {
    guard let name = try? NodeName(text) else { preconditionFailure("a literal name: \(text)") }
    return name
}

extension VirtualWire {
    /// n hosts that have all joined through the first and know each other.
    static func settled(_ count: Int, seed: UInt64, settings: Membership.Settings = .init()) -> VirtualWire {
        var wire = VirtualWire(seed: seed)
        wire.settings = settings
        let names = (0..<count).map { name("n\($0)") }
        for name in names { wire.start(name) }
        for name in names.dropFirst() {
            wire.join(name, through: names[0])
            wire.run(for: .milliseconds(20))
        }
        wire.run(for: .seconds(60)) { wire in
            names.allSatisfy { wire.hosts[$0]?.membership.presentCount == count }
        }
        return wire
    }

    func agrees(_ statuses: [NodeName: Status], among observers: [NodeName]) -> Bool {
        observers.allSatisfy { view(of: $0) == statuses }
    }
}
