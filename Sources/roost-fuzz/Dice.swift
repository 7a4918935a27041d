import Vocabulary

/// All chance of one batch, from its seed: what was found once is found again.
struct Dice: RandomNumberGenerator {
    private var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// The dice of one batch: no two batches share a stream.
    init(seed: UInt64, layer: Layer, batch: Int) {
        var mixer = SeededGenerator(seed: seed &+ UInt64(layer.number) << 56)
        self.init(seed: mixer.next() ^ UInt64(truncatingIfNeeded: batch) &* 0xD1B5_4A32_D192_ED03)
    }

    mutating func next() -> UInt64 { generator.next() }

    /// 0..<count, for a count of 1 to 2^32 (Lemire's multiplication; the bias is below 2^-32 of nothing that matters).
    mutating func below(_ count: Int) -> Int {
        Int(truncatingIfNeeded: ((next() >> 32) &* UInt64(truncatingIfNeeded: count)) >> 32)
    }

    mutating func percent(_ chance: Int) -> Bool { below(100) < chance }

    /// One of the values; there is at least one.
    mutating func pick<T>(_ values: [T]) -> T { values[below(values.count)] }

    mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next() >> 56) }

    mutating func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            var word: UInt64 = 0
            for index in 0..<count {
                if index % 8 == 0 { word = next() }
                buffer[index] = UInt8(truncatingIfNeeded: word)
                word >>= 8
            }
            initialized = count
        }
    }
}
