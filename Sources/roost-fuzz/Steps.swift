/// The datagrams of a batch, one after the other, each noted in the black box before it is tried.
struct Steps {
    private let slot: BlackBox.Slot
    private let count: Int
    /// The index of the present datagram.
    private(set) var position = -1
    /// Its bytes, where the layer has any, for the report of a failure.
    var input: [UInt8] = []

    /// - Parameter stopAfter: the last datagram to try, when a failure is run again; `nil`: the whole batch.
    init(_ place: Place, in slot: BlackBox.Slot, stopAfter: Int? = nil) {
        self.slot = slot
        count = min(stopAfter.map { $0 + 1 } ?? .max, place.layer.batchSize)
        slot.begin(place)
    }

    mutating func next() -> Bool {
        guard position + 1 < count else { return false }
        position += 1
        slot.note(position)
        return true
    }
}
