import Relocation
import Resources
import Vocabulary

/// Names that were put here while too few of those who may know them were heard: a plain put waits for nobody. What others
/// have of such a name, under another home say, may be with those alone who kept silent, and nobody offers it to this node:
/// in step or not, it judges none by its own copies until a write of it was judged by what all those hold (law 4).
struct HalfHeardNames: Sendable {
    private var names: Set<ResourceName> = []
    /// Past `countMax`: all names of these.
    private var slots = SlotSet()

    /// At half, a node that takes that many puts while others are gone asks sooner for each name of a slot; at double, it keeps
    /// some 10 MB.
    private static let countMax = 65_536

    func contains(_ name: ResourceName, in slot: Slot) -> Bool { names.contains(name) || slots.contains(slot) }

    mutating func insert(_ name: ResourceName, in slot: Slot) {
        if names.count < Self.countMax { names.insert(name) } else { slots.insert(slot) }
    }

    mutating func remove(_ name: ResourceName) { names.remove(name) }
}
