import SWIM
import Vocabulary

/// An agent reduced to its membership: the same `Membership` value that the agent runs, with exchanges as calls, its
/// list on disk, and whom to join.
public struct SwimHost: SimulatedMachine {
    public struct Configuration: Sendable {
        public var settings: Membership.Settings
        public var metadata: Metadata
        /// Asked for their list at the start, one after the other, again and again until one answers.
        public var join: [Endpoint]

        public init(settings: Membership.Settings = .init(), metadata: Metadata = .standard, join: [Endpoint] = []) {
            self.settings = settings
            self.metadata = metadata
            self.join = join
        }
    }

    public typealias Datagram = Packet
    public enum Request: Sendable {
        /// Whether there is anything to exchange: who is present, as the asker holds it. Stands for its digest.
        case compare([Claim])
        /// Push and pull of the whole state.
        case exchange([Claim])
        /// A probe by another way than datagrams: what the asked should know.
        case fallback([Claim])
    }
    public typealias Response = [Claim]
    public typealias Disk = SwimDisk
    public typealias Observation = MemberEvent

    public enum Command: Sendable {
        case announce(Membership.Announcement)
        case forget(NodeName)
        case describe(Metadata)
    }

    public private(set) var membership: Membership
    private let configuration: Configuration
    private var effects: [Membership.Effect] = []
    /// When to ask the next seed; `nil` once one has answered.
    private var nextJoin: Instant?
    private var joinAttempts = 0
    private var joinCall: CallID?
    /// Comparisons that have no answer yet, in the order of their making.
    private var comparisons: [(call: CallID, with: NodeName, at: Endpoint)] = []
    /// Probes by way of calls that have no answer yet, in the order of their making.
    private var fallbacks: [(call: CallID, sequence: SequenceNumber, target: NodeName)] = []

    public init(_ boot: Boot<Configuration>, in context: inout HostContext<SwimHost>) {
        let epoch = max(context.disk.state.epoch + 1, context.wallMilliseconds)
        // A disk that is too full for eight bytes would keep the real agent from starting; here it starts all the same.
        try? context.disk.write(.epoch(epoch))
        context.disk.syncNow()
        configuration = boot.configuration
        membership = Membership(
            identity: boot.name, epoch: epoch, endpoint: boot.endpoint, metadata: boot.configuration.metadata,
            settings: boot.configuration.settings, at: context.now)
        nextJoin = boot.configuration.join.isEmpty ? nil : context.now
        let remembered = context.disk.state.claims.filter { $0.name != boot.name }
        if !remembered.isEmpty { apply(.merge(remembered, from: boot.name), &context) }
    }

    public var deadline: Instant? {
        guard let join = nextJoin else { return membership.deadline }
        return membership.deadline.map { min($0, join) } ?? join
    }

    public mutating func handle(_ input: HostInput<SwimHost>, in context: inout HostContext<SwimHost>) {
        switch input {
        case .tick:
            if let due = nextJoin, due <= context.now { askNextSeed(&context) }
            apply(.tick, &context)
        case .datagram(let packet, let source): apply(.packet(packet, from: source), &context)
        case .request(.fallback(let claims), let id, let peer):
            apply(.merge(claims, from: peer), &context)
            let claims = membership.answer(to: peer)
            context.answer(id, claims, bytes: SwimTraffic.exchangeBytes(claims))
        case .request(.exchange(let claims), let id, let peer):
            // The answer is the state before the merge, as two halves of one exchange see it.
            answer(id, &context)
            apply(.merge(claims, from: peer), &context)
        case .request(.compare(let claims), let id, _):
            let agrees = holds(claims)
            if agrees { apply(.agreed, &context) }
            context.answer(id, agrees ? [] : [membership.oneself.claim], bytes: SwimTraffic.digestBytes)
        case .response(let result, let id):
            if let index = comparisons.firstIndex(where: { $0.call == id }) {
                let (_, name, target) = comparisons.remove(at: index)
                guard case .success(let claims) = result else { return }
                if claims.isEmpty {
                    apply(.agreed, &context)
                } else {
                    _ = exchange(with: name, at: target, &context)
                }
                return
            }
            if let index = fallbacks.firstIndex(where: { $0.call == id }) {
                let (_, sequence, target) = fallbacks.remove(at: index)
                return apply(.fallback(sequence, of: target, .init(result) { $0 }), &context)
            }
            let wasJoin = joinCall == id
            if wasJoin { joinCall = nil }
            guard case .success(let claims) = result, let teller = claims.first?.name else { return }
            if wasJoin { nextJoin = nil }
            // The first claim of an answer is the one of the member that gives it.
            apply(.merge(claims, from: teller), &context)
            remember(&context)
        case .stalled(let id):
            guard let (_, sequence, target) = fallbacks.first(where: { $0.call == id }) else { return }
            apply(.fallback(sequence, of: target, .stalled), &context)
        case .synced: break
        case .command(.announce(let announcement)): apply(.announce(announcement), &context)
        case .command(.forget(let name)): apply(.forget(name), &context)
        case .command(.describe(let metadata)): apply(.metadata(metadata), &context)
        }
    }

    private mutating func apply(_ input: Membership.Input, _ context: inout HostContext<SwimHost>) {
        membership.handle(input, at: context.now, using: &context.random, into: &effects)
        for effect in effects {
            switch effect {
            case .send(let packet, let target):
                context.send(packet, to: target, bytes: packet.wireSize + SwimTraffic.datagramOverhead)
            case .exchange(let name, let target):
                let call = context.call(
                    target, expecting: name, .compare(present), bytes: SwimTraffic.digestBytes, timeout: .seconds(10))
                comparisons.append((call, name, target))
            case .fallback(let sequence, let name, let target, let claims):
                let call = context.call(
                    target, expecting: name, .fallback(claims), bytes: SwimTraffic.exchangeBytes(claims),
                    timeout: SwimTraffic.fallbackTimeout, stallsAfter: SwimTraffic.stallGrace)
                fallbacks.append((call, sequence, name))
            case .event(let event): context.observe(event)
            }
        }
        effects.removeAll(keepingCapacity: true)
        if membership.farewellComplete {
            remember(&context)
            context.exit()
        }
    }

    /// What a comparison is of.
    private var present: [Claim] { membership.claims.filter { !$0.status.isDeparted } }

    private func holds(_ present: [Claim]) -> Bool {
        let own = self.present
        return own.count == present.count
            && zip(own, present).allSatisfy { $0.name == $1.name && $0.precedence == $1.precedence }
    }

    private func exchange(
        with name: NodeName?, at endpoint: Endpoint, _ context: inout HostContext<SwimHost>
    ) -> CallID {
        let claims = membership.claims
        return context.call(
            endpoint, expecting: name, .exchange(claims), bytes: SwimTraffic.exchangeBytes(claims),
            timeout: .seconds(10))
    }

    private func answer(_ id: CallID, _ context: inout HostContext<SwimHost>) {
        let others = membership.claims.filter { $0.name != membership.identity }
        let claims = [membership.oneself.claim] + others
        context.answer(id, claims, bytes: SwimTraffic.exchangeBytes(claims))
    }

    private mutating func askNextSeed(_ context: inout HostContext<SwimHost>) {
        let seeds = configuration.join.filter { $0 != membership.oneself.endpoint }
        guard !seeds.isEmpty else {
            nextJoin = nil
            return
        }
        joinCall = exchange(with: nil, at: seeds[joinAttempts % seeds.count], &context)
        joinAttempts += 1
        nextJoin = context.now + .seconds(min(joinAttempts, 30))
    }

    private func remember(_ context: inout HostContext<SwimHost>) {
        // A full disk costs the list its freshness and nothing else.
        try? context.disk.write(.claims(membership.remembered))
        _ = context.sync()
    }
}

/// What a member keeps on disk.
public struct SwimDisk: DiskState {
    public enum Write: Sendable {
        case epoch(UInt64)
        case claims([Claim])
    }

    public private(set) var epoch: UInt64 = 0
    public private(set) var claims: [Claim] = []
    public private(set) var byteCount = 0

    public init() {}

    /// A disk on which a list was left by an earlier life.
    public init(claims: [Claim]) { apply(.claims(claims)) }

    public mutating func apply(_ write: Write) {
        byteCount += growth(of: write)
        switch write {
        case .epoch(let epoch): self.epoch = epoch
        case .claims(let claims): self.claims = claims
        }
    }

    public func growth(of write: Write) -> Int {
        switch write {
        case .epoch: epoch == 0 ? 8 : 0
        case .claims(let new): Self.size(new) - Self.size(claims)
        }
    }

    private static func size(_ claims: [Claim]) -> Int { claims.reduce(0) { $0 + $1.wireSize } }
}

extension Membership.FallbackResult {
    /// - Parameter claims: those in an answer; `nil` when it is none to such a question.
    init<Response>(_ result: Result<Response, CallFailure>, claims: (Response) -> [Claim]?) {
        switch result {
        case .success(let response): self = claims(response).map(Self.answered) ?? .silent
        // A process that ended, by whatever cause: its host lives, and says so.
        case .failure(.refused): self = .refused
        case .failure(.reset), .failure(.timedOut), .failure(.wrongPeer): self = .silent
        }
    }
}

/// What the membership's traffic takes on the wire.
public enum SwimTraffic {
    /// Of a probe over TLS.
    static let fallbackTimeout = Duration.seconds(3)
    /// A live agent has answered by then: `MembersService.stallGrace`.
    static let stallGrace = Duration.milliseconds(150)
    /// Sealing (`Packet.wireSizeMax`): 45 bytes; UDP over IPv4: 28.
    public static let datagramOverhead = 45 + 28
    /// A digest's question, or its answer, with all headers: measured.
    static let digestBytes = 344
    /// An exchange's HTTP and TLS record headers, about; the handshake of a kept connection costs nothing.
    public static func exchangeBytes(_ claims: [Claim]) -> Int { claims.reduce(400) { $0 + $1.wireSize } }
}

extension MemberEvent: CustomStringConvertible {
    public var description: String {
        "\(name) \(kind.rawValue) \(claim) by \(by) from \(heardFrom)"
    }
}
