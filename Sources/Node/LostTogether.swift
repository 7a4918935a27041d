import Placement
import Vocabulary

/// Crashed members of a time when as many were down at once as there are to be copies: what only they hold was never made
/// anew elsewhere. Until they return or are forgotten, however long that takes, nobody can say of a name that may be with
/// them alone that there is none.
struct LostTogether: Sendable {
    private(set) var names: Set<NodeName> = []
    /// Of the time when they went, so that their slots can be told from the others'.
    private var ring = Ring([])

    /// - Parameters:
    ///   - down: those whose crash was seen and who keep their places.
    ///   - ring: the owners, these among them.
    mutating func note(down: Set<NodeName>, in ring: Ring, replicas: Int) {
        guard down.count >= replicas else { return }
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
        let earlier = ring.candidates.filter { names.contains($0.name) && !present.contains($0.name) }
        ring = Ring(owners + earlier)
        names.formUnion(lost)
    }

    mutating func keep(whereCrashed isCrashed: (NodeName) -> Bool) {
        guard !names.isEmpty else { return }
        names = names.filter(isCrashed)
        if names.isEmpty { ring = Ring([]) }
    }

    /// Whether a name of the slot may be with them alone: its owners then, with one of them as its home or without, are
    /// all among them. Fewer of them than there are copies hide nothing.
    func mayHide(_ slot: Slot, replicas: Int) -> Bool {
        guard names.count >= replicas else { return false }
        return ([nil] + names.sorted().map { $0 }).contains { home in
            ring.owners(of: slot, home: home, count: replicas).allSatisfy(names.contains)
        }
    }
}
