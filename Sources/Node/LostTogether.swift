import Placement
import Vocabulary

/// Crashed members of a time when as many were down at once as there are to be copies: what only they hold was never made
/// anew elsewhere. Until they return or are forgotten, however long that takes, nobody can say of a name that may be with
/// them alone that there is none.
struct LostTogether: Sendable {
    private(set) var names: Set<NodeName> = []
    /// Those of them that are back, while others are not: what all of them had is with these alone.
    private(set) var returned: Set<NodeName> = []
    private struct Loss {
        let ring: Ring
        /// Those, and who was lost already.
        let names: Set<NodeName>
    }

    /// The first one first, each with the owners of its time, so that their slots can be told from the others': whoever came
    /// later owned none of those.
    private var losses: [Loss] = []
    /// At half, where members are lost one after the other and none comes back, of the later ones some count for none; at
    /// double, each read of what is not there looks at as many rings more.
    private static let lossesMax = 8

    /// - Parameters:
    ///   - down: those whose crash was seen and who keep their places.
    ///   - ring: the owners, these among them.
    mutating func note(down: Set<NodeName>, in ring: Ring, replicas: Int) {
        guard !down.isSubset(of: names), down.count >= replicas || !down.isDisjoint(with: returned) else { return }
        add(down, of: ring.candidates)
    }

    /// Takes the word of whoever let this node in, which was there when they went.
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
        let last = losses.last?.ring.candidates ?? []
        let earlier = last.filter { names.contains($0.name) && !present.contains($0.name) }
        names.formUnion(lost)
        returned.subtract(lost)
        if losses.count >= Self.lossesMax { losses.removeLast() }
        losses.append(Loss(ring: Ring(owners + earlier), names: names))
    }

    /// - Parameter standing: nil of one that is no member.
    mutating func keep(byStanding standing: (NodeName) -> (isCrashed: Bool, isPresent: Bool)?) {
        guard !names.isEmpty else { return }
        for name in names {
            let found = standing(name)
            if found?.isCrashed == true { continue }
            names.remove(name)
            if found?.isPresent == true { returned.insert(name) }
        }
        if names.isEmpty { (losses, returned) = ([], []) }
    }

    /// Whether a name of the slot may be with them alone: its owners then, with one of them as its home or without, are
    /// all among them. Fewer of them than there are copies hide nothing.
    func mayHide(_ slot: Slot, replicas: Int) -> Bool {
        guard names.count >= replicas else { return false }
        let homes = [nil] + names.sorted().map { $0 }
        return losses.contains { loss in
            homes.contains { home in
                loss.ring.owners(of: slot, home: home, count: replicas).allSatisfy { name in
                    names.contains(name) && loss.names.contains(name)
                }
            }
        }
    }

    /// Those that count as silent when these are: what only they all had.
    func missed(with silent: Set<NodeName>) -> Set<NodeName> { silent.isDisjoint(with: returned) ? [] : names }
}
