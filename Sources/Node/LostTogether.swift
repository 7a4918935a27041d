import Placement
import Vocabulary

/// Members that went at one time, as many as there are to be copies at least: what only they had was never made anew elsewhere.
public struct Loss: Hashable, Sendable {
    /// Who owned at the time, those that went among them.
    public let owners: [Candidate]
    public let names: Set<NodeName>

    public init(owners: [Candidate], names: Set<NodeName>) {
        self.owners = owners
        self.names = names
    }

    /// More than three times as many as there may be members (`Membership.Settings.membersMax`).
    static let ownersMax = 65_536

    /// Whether there can have been such a one.
    var isLegal: Bool {
        owners.count <= Self.ownersMax && names.isSubset(of: owners.lazy.filter { $0.weight > 0 }.map(\.name))
    }
}

/// What was lost together, and is not all back. Until the last of those that went has returned or is forgotten, however long
/// that takes, nobody can say of a name that may be with them alone that there is none.
struct LostTogether: Sendable {
    struct Standing {
        let isCrashed: Bool
        let isPresent: Bool
    }

    private struct Known {
        let loss: Loss
        let ring: Ring

        init(_ loss: Loss) { (self.loss, ring) = (loss, Ring(loss.owners)) }
    }

    /// Those that are away still.
    private(set) var names: Set<NodeName> = []
    /// Those that are back, and since when: what all of them had is with these and those that are away, until they have handed
    /// it over.
    private(set) var returned: [NodeName: Instant] = [:]
    /// The first one first, each with the owners of its time: whoever came later owned nothing of it.
    private var known: [Known] = []
    /// At half, where members are lost one after the other and none comes back, of the later ones some count for none; at
    /// double, a newcomer is told twice as much.
    static let lossesMax = 8
    /// Within so long one that is back has handed over what it has, or says that it is behind. At half, a host that is slow to
    /// compare may be passed by when the last of them returns; at double, everybody is asked for that much longer.
    private static let handoverMax = Duration.seconds(60)

    /// - Parameters:
    ///   - down: those whose crash was seen and who keep their places.
    ///   - ring: the owners, these among them.
    mutating func note(down: Set<NodeName>, in ring: Ring, replicas: Int) {
        guard !down.isSubset(of: names), down.count >= replicas || down.contains(where: { returned[$0] != nil })
        else { return }
        add(down, of: ring.candidates)
    }

    /// Takes the word of an earlier release, which tells who is lost and not of what.
    ///
    /// - Parameters:
    ///   - told: of those that are crashed here as well, as candidates.
    ///   - ring: the owners now.
    mutating func heard(_ told: [Candidate], besides ring: Ring) {
        let unknown = told.filter { !names.contains($0.name) }
        guard !unknown.isEmpty else { return }
        add(Set(unknown.map(\.name)), of: ring.candidates + unknown.filter { !ring.contains($0.name) })
    }

    private mutating func add(_ lost: Set<NodeName>, of owners: [Candidate]) {
        // Whoever went earlier is in it as well: owners of which all are among the lost were so in either ring.
        let present = Set(owners.map(\.name))
        let last = known.last?.loss.owners ?? []
        let earlier = last.filter { names.contains($0.name) && !present.contains($0.name) }
        names.formUnion(lost)
        for name in lost { returned[name] = nil }
        let owners = Ring(owners + earlier).candidates
        var all = names
        // One after the other of those that went together, some of whom may be back.
        if let latest = known.last, latest.loss.owners == owners || known.count >= Self.lossesMax {
            all.formUnion(latest.loss.names.filter { returned[$0] != nil })
            known.removeLast()
        }
        known.append(Known(Loss(owners: owners, names: all)))
    }

    /// Takes the word of whoever let this node in, which was there when they went, or heard so itself.
    mutating func heard(_ losses: [Loss], at now: Instant, standing: (NodeName) -> Standing?) {
        for loss in losses {
            let missing = loss.names.filter { standing($0)?.isCrashed == true }
            guard !missing.isEmpty, loss.isLegal else { continue }
            if !known.contains(where: { $0.loss == loss }) {
                guard known.count < Self.lossesMax else { return }
                known.append(Known(loss))
            }
            names.formUnion(missing)
            for name in loss.names where returned[name] == nil && standing(name)?.isPresent == true {
                returned[name] = now
            }
        }
    }

    /// What a newcomer is told.
    var losses: [Loss] { known.map(\.loss) }

    /// - Parameter standing: nil of one that is no member.
    mutating func keep(at now: Instant, standing: (NodeName) -> Standing?) {
        guard !known.isEmpty else { return }
        for name in names {
            let found = standing(name)
            if found?.isCrashed == true { continue }
            names.remove(name)
            if found?.isPresent == true { returned[name] = now }
        }
        let open = open
        returned = returned.filter { name, since in
            now - since < Self.handoverMax || open.contains { $0.names.contains(name) }
        }
        known.removeAll { known in
            known.loss.names.isDisjoint(with: names) && !known.loss.names.contains { returned[$0] != nil }
        }
    }

    /// Those of which somebody is away.
    private var open: [Loss] { known.map(\.loss).filter { !$0.names.isDisjoint(with: names) } }

    /// When `keep` is to be called at the latest: somebody who is back has had its time then.
    var deadline: Instant? {
        guard !returned.isEmpty else { return nil }
        let open = open
        return returned.filter { name, _ in !open.contains { $0.names.contains(name) } }.values.min()
            .map { $0 + Self.handoverMax }
    }

    /// Whether a name of the slot may be with those alone who are away. Fewer of them than there are copies hide nothing.
    func mayHide(_ slot: Slot, replicas: Int) -> Bool {
        names.count >= replicas && wereOwners(of: slot, among: names, replicas: replicas)
    }

    /// Whether it may be with those and the ones that are back: no owner of now can say by itself that there is none.
    func isContested(_ slot: Slot, replicas: Int) -> Bool {
        !known.isEmpty && wereOwners(of: slot, among: names.union(returned.keys), replicas: replicas)
    }

    /// Those that count as silent when these are: what only they all had.
    func missed(with silent: Set<NodeName>) -> Set<NodeName> {
        silent.contains { returned[$0] != nil } ? names : []
    }

    /// Whether the owners of the slot, with one of these as the home of a name or without, were all of these.
    private func wereOwners(of slot: Slot, among some: Set<NodeName>, replicas: Int) -> Bool {
        known.contains { known in
            let lost = known.loss.names.intersection(some)
            let owners = known.ring.owners(of: slot, count: replicas)
            // Beside a home the others are of these.
            guard !owners.isEmpty, owners.count(where: lost.contains) >= owners.count - 1 else { return false }
            if owners.allSatisfy(lost.contains) { return true }
            return Self.homes(among: lost, in: known.ring, replicas: replicas).contains { home in
                known.ring.owners(of: slot, home: home, count: replicas).allSatisfy(lost.contains)
            }
        }
    }

    /// Homes that stand for all of these. Beside a home the slot's owners are the same for all of its zone but those who are
    /// among the owners without it, and for these they are what they are without a home.
    private static func homes(among lost: Set<NodeName>, in ring: Ring, replicas: Int) -> [NodeName] {
        var counts: [String?: Int] = [:]
        var homes: [NodeName] = []
        for candidate in ring.candidates where lost.contains(candidate.name) {
            guard counts[candidate.zone, default: 0] <= replicas else { continue }
            counts[candidate.zone, default: 0] += 1
            homes.append(candidate.name)
        }
        return homes
    }
}
