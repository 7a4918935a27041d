import Vocabulary

/// A set of slots as 16,384 bits: two KiB, whatever it holds, and iterated in one order on every machine.
public struct SlotSet: Hashable, Sendable {
    private var words: [UInt64]
    public private(set) var count: Int

    public init() {
        words = Array(repeating: 0, count: Slot.count / 64)
        count = 0
    }

    public init(_ slots: some Sequence<Slot>) {
        self.init()
        for slot in slots { insert(slot) }
    }

    public static var all: SlotSet { SlotSet(Slot.all) }

    public var isEmpty: Bool { count == 0 }

    public func contains(_ slot: Slot) -> Bool {
        words[Int(slot.number) >> 6] >> UInt64(slot.number & 63) & 1 == 1
    }

    public mutating func insert(_ slot: Slot) {
        guard !contains(slot) else { return }
        words[Int(slot.number) >> 6] |= 1 << UInt64(slot.number & 63)
        count += 1
    }

    public mutating func remove(_ slot: Slot) {
        guard contains(slot) else { return }
        words[Int(slot.number) >> 6] &= ~(1 << UInt64(slot.number & 63))
        count -= 1
    }

    public mutating func formUnion(_ other: SlotSet) {
        for index in words.indices { words[index] |= other.words[index] }
        count = words.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    public mutating func subtract(_ other: SlotSet) {
        for index in words.indices { words[index] &= ~other.words[index] }
        count = words.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    /// Takes out and returns the lowest slots, at most `limit` of them.
    public mutating func takeFirst(_ limit: Int) -> SlotSet {
        var taken = SlotSet()
        for slot in prefix(limit) { taken.insert(slot) }
        subtract(taken)
        return taken
    }
}

extension SlotSet: Sequence {
    public struct Iterator: IteratorProtocol {
        private let words: [UInt64]
        private var index = 0
        private var word: UInt64

        fileprivate init(_ words: [UInt64]) {
            self.words = words
            word = words.first ?? 0
        }

        public mutating func next() -> Slot? {
            while word == 0 {
                index += 1
                guard index < words.count else { return nil }
                word = words[index]
            }
            let bit = word.trailingZeroBitCount
            word &= word - 1
            return Slot(number: index * 64 + bit)
        }
    }

    public func makeIterator() -> Iterator { Iterator(words) }
    public var underestimatedCount: Int { count }
}

extension SlotSet: Codable {
    /// On the wire: runs of slots as `[first, last, first, last, …]`, so that "all of them" is two numbers.
    public init(from decoder: any Decoder) throws {
        self.init()
        let container = try decoder.singleValueContainer()
        let bounds = try container.decode([Int].self)
        let legal = bounds.count.isMultiple(of: 2) && bounds.allSatisfy { (0..<Slot.count).contains($0) }
        guard legal, bounds == bounds.sorted() else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "a slot set is a rising list of first and last slots")
        }
        for index in stride(from: 0, to: bounds.count, by: 2) {
            for number in bounds[index]...bounds[index + 1] { if let slot = Slot(number: number) { insert(slot) } }
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var bounds: [Int] = []
        for slot in self {
            let number = Int(slot.number)
            if bounds.last == number - 1 {
                bounds[bounds.count - 1] = number
            } else {
                bounds += [number, number]
            }
        }
        var container = encoder.singleValueContainer()
        try container.encode(bounds)
    }
}
