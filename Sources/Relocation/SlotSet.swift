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

    public mutating func formUnion(_ other: SlotSet) { combine(with: other) { $0 | $1 } }

    public mutating func subtract(_ other: SlotSet) { combine(with: other) { $0 & ~$1 } }

    public func intersection(_ other: SlotSet) -> SlotSet {
        var common = self
        common.combine(with: other) { $0 & $1 }
        return common
    }

    private mutating func combine(with other: SlotSet, _ combined: (UInt64, UInt64) -> UInt64) {
        count = 0
        for index in words.indices {
            words[index] = combined(words[index], other.words[index])
            count += words[index].nonzeroBitCount
        }
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
    /// On the wire: runs of slots as `[first, last, first, last, …]`, so that "all of them" is two numbers; or, when there
    /// are many runs, the bits in hexadecimal digits. What a node has to hear of one of 32 others are some thousand runs,
    /// and as numbers they cost ten times as much to write and to read as all the rest of the question.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let digits = try? container.decode(String.self) {
            guard let set = SlotSet(digits: digits) else {
                throw DecodingError.dataCorruptedError(
                    in: container, debugDescription: "the bits of a slot set are \(Self.digitCount) hexadecimal digits")
            }
            self = set
            return
        }
        self.init()
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
        var container = encoder.singleValueContainer()
        if let bounds = runs(atMost: Self.runsMax) {
            try container.encode(bounds)
        } else {
            try container.encode(digits)
        }
    }

    /// Past it the digits are shorter.
    private static let runsMax = 400
    private static let digitCount = Slot.count / 4

    /// `nil` when there are more.
    private func runs(atMost limit: Int) -> [Int]? {
        var bounds: [Int] = []
        for slot in self {
            let number = Int(slot.number)
            if bounds.last == number - 1 {
                bounds[bounds.count - 1] = number
            } else {
                guard bounds.count < 2 * limit else { return nil }
                bounds += [number, number]
            }
        }
        return bounds
    }

    /// The first four slots are the first digit, and the lowest of its bits is slot 0.
    private var digits: String {
        var digits: [UInt8] = []
        digits.reserveCapacity(Self.digitCount)
        for word in words {
            for shift in stride(from: UInt64(0), to: 64, by: 4) {
                digits.append(Self.alphabet[Int(word >> shift & 15)])
            }
        }
        return String(decoding: digits, as: UTF8.self)
    }

    private static let alphabet = Array("0123456789abcdef".utf8)

    private init?(digits: String) {
        guard digits.utf8.count == Self.digitCount else { return nil }
        self.init()
        for (index, digit) in digits.utf8.enumerated() {
            guard let value = Self.value(digit) else { return nil }
            words[index / 16] |= value << UInt64(index % 16 * 4)
        }
        count = words.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    private static func value(_ digit: UInt8) -> UInt64? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(digit - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(digit - UInt8(ascii: "a") + 10)
        default: nil
        }
    }
}
