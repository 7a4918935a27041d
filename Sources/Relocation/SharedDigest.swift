import Resources
import Vocabulary

/// One group's part in `CompareRequest.shared`: a hash of its key, its digest, and whether the speaker vouches for it as
/// its owner. Both sides say the same of a group only when either's word on it is a confirmation to the other.
enum SharedDigest {
    static func of(_ status: GroupStatus) -> SetDigest {
        var writer = ByteWriter(capacity: 96)
        status.write(to: &writer)
        return of(writer.bytes)
    }

    static func of(_ bytes: [UInt8]) -> SetDigest {
        SetDigest(
            high: SipHash(key0: 0x726f_6f73_742d_7368, key1: 0x6172_6564_2d68_6967).hash(bytes),
            low: SipHash(key0: 0x726f_6f73_742d_7368, key1: 0x6172_6564_2d6c_6f77).hash(bytes))
    }
}

/// Sums of `SharedDigest` as they were reckoned, each for as long as none of its groups changes: what lies still costs
/// nothing to look after, however much it is.
struct SharedSums: Sendable {
    private struct Known: Sendable {
        let slots: SlotSet
        let peer: NodeName
        let sum: SetDigest
    }

    private var known: [Known] = []

    /// Two MiB of slots: for some hundred fellow owners. With more of them all is reckoned anew now and then.
    private static let countMax = 1024

    func sum(of slots: SlotSet, with peer: NodeName) -> SetDigest? {
        known.first { $0.peer == peer && $0.slots == slots }?.sum
    }

    mutating func keep(_ sum: SetDigest, of slots: SlotSet, with peer: NodeName) {
        if known.count >= Self.countMax { known = [] }
        known.append(Known(slots: slots, peer: peer, sum: sum))
    }

    /// A group of the slot changed.
    mutating func forget(_ slot: Slot) {
        guard !known.isEmpty else { return }
        known.removeAll { $0.slots.contains(slot) }
    }
}
