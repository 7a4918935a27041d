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

    func subtracting(_ other: SlotSet) -> SlotSet {
        var rest = self
        rest.subtract(other)
        return rest
    }

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

    /// The numbers of the spans of 64 slots, from a multiple of 64 on, in which it has any; they rise.
    public var spans: [Int] { words.indices.filter { words[$0] != 0 } }

    /// Those of its slots that are in these spans.
    public func inSpans(_ numbers: some Sequence<Int>) -> SlotSet {
        var some = SlotSet()
        for number in numbers where words.indices.contains(number) {
            some.words[number] = words[number]
            some.count += words[number].nonzeroBitCount
        }
        return some
    }

    /// Takes out and returns the lowest slots, at most `limit` of them.
    public mutating func takeFirst(_ limit: Int) -> SlotSet {
        var taken = SlotSet()
        for slot in prefix(limit) { taken.insert(slot) }
        subtract(taken)
        return taken
    }
}

extension Slot {
    /// Which span of 64 slots it is in, 0 ..< 256.
    var span: Int { Int(number) >> 6 }
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

/// On the wire: the number of runs of slots and the first and the last of each, so that "all of them" is six bytes; or, when
/// there are many runs, `ffff` and the bits, slot 0 the lowest of the first eight bytes.
extension SlotSet {
    /// - Throws: `ByteError`: `.illegal` when the runs do not rise.
    init(_ reader: inout ByteReader) throws(ByteError) {
        self.init()
        let runs = try reader.read(UInt16.self)
        if runs == Self.asBits {
            for index in words.indices { words[index] = try reader.read() }
            count = words.reduce(0) { $0 + $1.nonzeroBitCount }
            return
        }
        guard runs <= Self.runsMax else { throw .illegal }
        var next = 0
        for _ in 0..<runs {
            let first = Int(try reader.read(UInt16.self))
            let last = Int(try reader.read(UInt16.self))
            guard next <= first, first <= last, last < Slot.count else { throw .illegal }
            for number in first...last { if let slot = Slot(number: number) { insert(slot) } }
            // Two that touch are one.
            next = last + 2
        }
    }

    func write(to writer: inout ByteWriter) {
        if let runs = runs(atMost: Self.runsMax) {
            writer.write(UInt16(runs.count))
            for run in runs {
                writer.write(run.lowerBound)
                writer.write(run.upperBound)
            }
        } else {
            writer.write(Self.asBits)
            for word in words { writer.write(word) }
        }
    }

    private static let asBits = UInt16.max
    /// Past it the bits are shorter.
    private static let runsMax = Slot.count / 8 / 4

    /// `nil` when there are more.
    private func runs(atMost limit: Int) -> [ClosedRange<UInt16>]? {
        var runs: [ClosedRange<UInt16>] = []
        for slot in self {
            if let last = runs.last, Int(last.upperBound) + 1 == Int(slot.number) {
                runs[runs.count - 1] = last.lowerBound...slot.number
            } else {
                guard runs.count < limit else { return nil }
                runs.append(slot.number...slot.number)
            }
        }
        return runs
    }
}
