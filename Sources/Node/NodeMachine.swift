import Placement
import Relocation
import Resources
import SWIM
import Vocabulary

/// One agent without its I/O: membership, placement, convergence, writes and routing as one value. The agent's shell
/// and the simulator are its only two drivers; both feed it inputs, carry out its effects, and wake it at its deadline.
public struct NodeMachine: Sendable {
    public struct Settings: Sendable {
        /// Copies wanted of each resource; 1...8.
        public var replicas = 2
        /// How long a crashed member keeps its place as an owner. Shorter moves data for hosts that merely restart,
        /// longer leaves one copy fewer for that time.
        public var relocationDelay = Duration.seconds(30)
        /// What that becomes at most, for a member that comes and goes; less than `relocationDelay` counts as equal.
        public var relocationDelayMax = Duration.seconds(600)
        public var membership = Membership.Settings()
        public var convergence = Convergence.Settings()
        public var tombstones = TombstoneCollection.Settings()

        public init() {}
    }

    /// Who this node is, this time.
    public struct Identity: Sendable {
        public let name: NodeName
        public let cluster: ClusterName
        /// Milliseconds since 1970 at the start, made to grow from start to start.
        public let epoch: UInt64
        public let endpoint: Endpoint
        public let metadata: Metadata

        public init(name: NodeName, cluster: ClusterName, epoch: UInt64, endpoint: Endpoint, metadata: Metadata) {
            self.name = name
            self.cluster = cluster
            self.epoch = epoch
            self.endpoint = endpoint
            self.metadata = metadata
        }
    }

    /// The way of an agent (DESIGN §8). `syncing` is `serving` that still forwards some slots.
    public enum Phase: String, Sendable, Codable { case starting, joining, syncing, serving, draining, left }

    public struct WriteID: Hashable, Comparable, Sendable {
        public let number: UInt64
        public init(number: UInt64) { self.number = number }
        public static func < (a: WriteID, b: WriteID) -> Bool { a.number < b.number }
    }

    public enum Input: Sendable {
        case membership(Membership.Input)
        case convergence(Convergence.Input)
        case tombstones(TombstoneCollection.Input)
        case lifecycle(Lifecycle)
        /// The version is durable here; its group's new summary came by `Convergence.Input.wrote` before.
        /// - leaving: the group that the name was in before, when that is another.
        case wrote(WriteID, Version, leaving: GroupKey?)
        /// A write of the name, judged by these, is durable here: to be fed before the next one is judged.
        case judged(ResourceName, by: Testimonies)
        /// A node answered an offer of a write, or did not.
        case offerAnswered(WriteID, by: NodeName, OfferOutcome)
        /// The client will not wait longer.
        case writeTimedOut(WriteID)
        /// The member was asked for a name, and another one answered.
        case passedOn(by: NodeName)
        case tick
    }

    public enum OfferOutcome: Sendable {
        /// It is durable there.
        case stored(OfferReply)
        /// The node has been told of the version and can not take it.
        case declined
        /// No answer, or none to the point; the node may be asked again.
        case failed
        /// There was no place for the offer, here or there.
        case busy
    }

    public enum Lifecycle: Sendable {
        /// There are others to find: until then nothing here is vouched for.
        case joining
        /// An exchange with a member of the cluster succeeded: this is what it told.
        case joined([Claim], from: NodeName, Absences)
        /// Nobody could be reached; this node goes on alone and keeps trying.
        case alone
        case drain
        case leave
    }

    public enum Effect: Sendable {
        case send(Packet, to: Endpoint)
        /// Exchange the whole membership with this member over TLS.
        case exchangeMembers(with: NodeName, at: Endpoint)
        /// Ask this member over TLS whether it is there (`Membership.Effect.fallback`).
        case fallbackProbe(SequenceNumber, of: NodeName, at: Endpoint, [Claim])
        case event(MemberEvent)
        case convergence(Convergence.Effect)
        case tombstones(TombstoneCollection.Effect)
        /// Ask the node to make this version durable now, and answer `.offerAnswered`.
        case offer(WriteID, to: NodeName, Version)
        case acknowledge(WriteID, WriteEnd)
    }

    public let identity: Identity
    public let settings: Settings
    public private(set) var membership: Membership
    public private(set) var convergence: Convergence
    public internal(set) var tombstones: TombstoneCollection
    public private(set) var isDraining = false
    private var hasLeft = false
    /// Started or joined by hand, and not yet synced with those found.
    private var isNewcomer = false
    var writes: [WriteID: WriteTracker] = [:]
    var halfHeardNames = HalfHeardNames()
    /// When a crashed member next loses its place; `nil` when none is about to.
    private var eligibilityEnds: Instant?
    /// When the last input came.
    private var lastInput: Instant
    private var placesKept = PlacesKept()
    private(set) var detours = Detours()
    private(set) var lostTogether = LostTogether()
    /// The epochs of the members last seen, to tell a restart from a healed cut.
    private var epochs: [NodeName: UInt64] = [:]

    public init(_ identity: Identity, settings: Settings, at now: Instant) {
        self.identity = identity
        self.settings = settings
        var convergenceSettings = settings.convergence
        convergenceSettings.replicas = settings.replicas
        membership = Membership(
            identity: identity.name, epoch: identity.epoch, endpoint: identity.endpoint, metadata: identity.metadata,
            settings: settings.membership, at: now)
        lastInput = now
        let own = Candidate(identity.name, identity.metadata)
        convergence = Convergence(
            me: identity.name, cluster: identity.cluster, settings: convergenceSettings,
            view: View(ring: Ring([own]), contactable: [], doubtful: []), at: now)
        tombstones = TombstoneCollection(settings.tombstones, at: now)
    }

    /// Applies one input completely; what is to be done next is appended to `effects`, in order.
    public mutating func handle(
        _ input: Input, at now: Instant, using rng: inout some RandomNumberGenerator, into effects: inout [Effect]
    ) {
        if stoodStill(at: now) {
            // Others took it for dead, perhaps, and took writes without it.
            refreshView(restarted: [], cutOff: convergence.view.contactable, at: now, into: &effects)
        }
        lastInput = max(lastInput, now)
        switch input {
        case .membership(let input): feed(input, at: now, using: &rng, into: &effects)
        case .convergence(let input): feed(input, at: now, into: &effects)
        case .tombstones(let input): feed(input, at: now, into: &effects)
        case .lifecycle(let step): feed(step, at: now, using: &rng, into: &effects)
        case .wrote(let id, let version, let former):
            beginWrite(id, version, leaving: former, at: now, into: &effects)
        case .judged(let name, let testimonies): noteJudged(name, by: testimonies)
        case .offerAnswered(let id, let node, let outcome):
            offerAnswered(id, by: node, outcome, at: now, into: &effects)
        case .writeTimedOut(let id): endWrite(id, into: &effects)
        case .passedOn(let node): if membership.member(node) != nil { detours.note(node, at: now) }
        case .tick:
            if let due = membership.deadline, due <= now { feed(.tick, at: now, using: &rng, into: &effects) }
            if let due = eligibilityEnds, due <= now { refreshView(restarted: [], cutOff: [], at: now, into: &effects) }
            if let due = lostTogether.deadline, due <= now { keepLost(at: now) }
            if convergence.deadline <= now { feed(Convergence.Input.tick, at: now, into: &effects) }
            lookForTombstones(at: now, into: &effects)
            for id in writes.keys.sorted() where writes[id]?.deadline.map({ $0 <= now }) ?? false {
                continueWrite(id, at: now, into: &effects)
            }
        }
        if isNewcomer, !convergence.isJoining, !convergence.view.contactable.isEmpty, convergence.slotsUnsynced == 0 {
            isNewcomer = false
        }
    }

    /// Whether this process was stopped for so long (SIGSTOP, a suspended machine, a stalled disk) that others may have
    /// suspected it: with anybody to probe it is never without an input for a whole probe interval.
    ///
    /// A node that doubts itself probes rarely, and the others give it up as soon as ever.
    func stoodStill(at now: Instant) -> Bool {
        !convergence.view.contactable.isEmpty
            && now - lastInput > min(membership.standstill, membership.suspicionTimeout)
    }

    /// Whether nothing came in from any member for so long that others may have condemned this one, and gone on without it. It
    /// would not know: the first that gets through to it again may be a request that a cut had held back.
    func isDeaf(at now: Instant) -> Bool { isCondemnedBy(now - membership.lastHeard) }

    private func isCondemnedBy(_ silence: Duration) -> Bool {
        silence > membership.suspicionTimeout && !convergence.view.contactable.isEmpty
    }

    /// Whether a drop that was begun may be carried out now: not by what the owners said before this process stood still, or
    /// before a cut, for they may have been replaced since.
    public func mayStillDrop(_ key: GroupKey, _ digest: SetDigest, at now: Instant) -> Bool {
        !stoodStill(at: now) && !isDeaf(at: now) && convergence.mayStillDrop(key, digest)
    }

    /// Whether the driver still wakes the machine when it asks to be, and its probes go on: who watches over the process may
    /// believe that it does its work.
    public func keepsPace(at now: Instant) -> Bool { now - deadline <= membership.standstill && membership.probesGoOn }

    /// When to send `.tick` next.
    public var deadline: Instant {
        let writing = writes.values.compactMap(\.deadline).min()
        return [membership.deadline, eligibilityEnds, writing, tombstones.deadline, lostTogether.deadline]
            .compactMap { $0 }
            .reduce(convergence.deadline) { min($0, $1) }
    }

    /// Whether this node is on its way in and so nobody's way in yet, also when it has been told to leave meanwhile.
    public var isJoining: Bool { convergence.isJoining }

    public var phase: Phase {
        if hasLeft { return .left }
        if isDraining { return .draining }
        if convergence.isJoining { return .joining }
        return convergence.slotsUnsynced > 0 ? .syncing : .serving
    }

    /// Whether more members are missing than are here: nothing is relocated for them then.
    public var isOutnumbered: Bool { placesKept.isOutnumbered }

    /// What a newcomer is told of the crashed.
    public func absences(at now: Instant) -> Absences {
        Absences(keeping: placesKept.left(at: now), lost: lostTogether.names, losses: lostTogether.losses)
    }

    /// Answers another node's comparison, and learns from it.
    public mutating func answer(_ request: CompareRequest, from peer: NodeName) -> CompareReply {
        convergence.answer(request, from: peer)
    }

    public mutating func answer(_ request: SumsRequest, from peer: NodeName) -> SumsReply {
        convergence.answer(request, from: peer)
    }

    // MARK: Parts

    private mutating func feed(
        _ input: Membership.Input, at now: Instant, using rng: inout some RandomNumberGenerator,
        into effects: inout [Effect]
    ) {
        var out: [Membership.Effect] = []
        let heardBefore = membership.lastHeard
        let forgotten: Member? = if case .forget(let name) = input { membership.member(name) } else { nil }
        membership.handle(input, at: now, using: &rng, into: &out)
        convergence.isPassedOver = [.suspect, .crashed].contains(membership.oneself.status)
        // Who is forgotten keeps no place, and says nothing more.
        var changed = if case .forget = input { true } else { false }
        var restarted: [NodeName] = []
        var cutOff: [NodeName] = []
        // Cut off for so long that the others may have given it up without its knowing: it hears so only when one of them
        // asks it, and they took writes without it perhaps.
        if isCondemnedBy(membership.lastHeard - heardBefore) {
            changed = true
            cutOff += convergence.view.contactable
        }
        for effect in out {
            switch effect {
            case .send(let packet, let to): effects.append(.send(packet, to: to))
            case .exchange(let name, let at): effects.append(.exchangeMembers(with: name, at: at))
            case .fallback(let sequence, let name, let at, let claims):
                effects.append(.fallbackProbe(sequence, of: name, at: at, claims))
            case .event(let event):
                changed = true
                effects.append(.event(event))
                if event.kind == .crashed {
                    placesKept.crashed(
                        event.name, at: now, delay: settings.relocationDelay, limit: settings.relocationDelayMax)
                } else {
                    placesKept.changed(event.name)
                }
                if event.name == identity.name, event.kind == .refuted {
                    // Some passed this node over, perhaps, and took writes without it.
                    cutOff += convergence.view.contactable
                }
                if event.name != identity.name, event.kind != .conflict {
                    let known = epochs.updateValue(event.epoch, forKey: event.name)
                    if event.kind == .returned, known == event.epoch {
                        cutOff.append(event.name)
                    } else if event.kind == .returned || known.map({ $0 < event.epoch }) ?? false {
                        // Its next life may be heard of first by a suspicion of it.
                        restarted.append(event.name)
                    }
                }
            }
        }
        if changed { refreshView(restarted: restarted, cutOff: cutOff, at: now, into: &effects) }
        if case .forget(let name) = input, membership.member(name) == nil {
            forget(met: name, in: forgotten.map(Life.init), into: &effects)
        }
    }

    mutating func feed(_ input: Convergence.Input, at now: Instant, into effects: inout [Effect]) {
        var out: [Convergence.Effect] = []
        convergence.handle(input, at: now, into: &out)
        for effect in out { effects.append(.convergence(effect)) }
    }

    private mutating func feed(
        _ step: Lifecycle, at now: Instant, using rng: inout some RandomNumberGenerator, into effects: inout [Effect]
    ) {
        switch step {
        case .joining:
            convergence.isJoining = true
            isNewcomer = true
        case .joined(let claims, let teller, let absences):
            isNewcomer = true
            feed(.merge(claims, from: teller), at: now, using: &rng, into: &effects)
            var keeping = absences.keeping
            // Of whom the teller has not heard that it crashed, and this node has by a datagram, it did just now.
            for claim in claims where !claim.status.isDeparted { keeping[claim.name] = settings.relocationDelay }
            placesKept.heard(
                keeping, at: now, limit: max(settings.relocationDelay, settings.relocationDelayMax),
                whereCrashed: { membership.member($0)?.status == .crashed })
            if absences.losses.isEmpty {
                let lost = membership.members.filter { absences.lost.contains($0.name) && $0.status == .crashed }
                lostTogether.heard(
                    lost.map { Candidate($0.name, $0.metadata) }, besides: convergence.view.ring)
            } else {
                lostTogether.heard(absences.losses, at: now) { Self.standing(of: $0, in: membership) }
            }
            refreshView(restarted: [], cutOff: [], at: now, into: &effects)
            enter(at: now, into: &effects)
        case .alone: enter(at: now, into: &effects)
        case .drain:
            isDraining = true
            feed(.announce(.draining), at: now, using: &rng, into: &effects)
            refreshView(restarted: [], cutOff: [], at: now, into: &effects)
        case .leave:
            isDraining = true
            hasLeft = true
            feed(.announce(.leaving), at: now, using: &rng, into: &effects)
        }
    }

    private mutating func keepLost(at now: Instant) {
        lostTogether.keep(at: now) { Self.standing(of: $0, in: membership) }
    }

    /// How another one stands; nil of one that is no member.
    private static func standing(of name: NodeName, in membership: Membership) -> LostTogether.Standing? {
        guard name != membership.oneself.name, let member = membership.member(name) else { return nil }
        return LostTogether.Standing(isCrashed: member.status == .crashed, isPresent: !member.status.isDeparted)
    }

    private mutating func enter(at now: Instant, into effects: inout [Effect]) {
        convergence.enter(at: now)
        // What waited for it begins.
        feed(Convergence.Input.tick, at: now, into: &effects)
    }

    /// Tells convergence who is eligible and who can be called, when that may have changed.
    private mutating func refreshView(
        restarted: [NodeName], cutOff: [NodeName], at now: Instant, into effects: inout [Effect]
    ) {
        keepLost(at: now)
        placesKept.keep(
            whereMember: { membership.member($0) != nil }, whereCrashed: { membership.member($0)?.status == .crashed })
        let members = membership.members
        meet(members, into: &effects)
        placesKept.settle(among: members, me: identity.name, at: now, delay: settings.relocationDelay)
        detours.keep { membership.member($0) != nil }
        let standing = Standing(
            members: members, me: identity, isDraining: isDraining, placesKept: placesKept, now: now)
        eligibilityEnds = standing.eligibilityEnds
        let down = placesKept.witnessed.filter { standing.view.ring.contains($0) }
        lostTogether.note(down: down, in: standing.view.ring, replicas: settings.replicas)
        let hear: Convergence.Hear =
            switch (isNewcomer, cutOff.isEmpty) {
            case (true, true): .everyone
            case (true, false): .everyoneAnd(cutOff)
            case (false, true): .asOwnersChange
            case (false, false): .these(cutOff)
            }
        feed(.view(standing.view, hear: hear, restarted: restarted), at: now, into: &effects)
        for id in writes.keys.sorted() { adoptView(for: id, at: now, into: &effects) }
    }
}
