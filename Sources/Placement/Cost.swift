import Vocabulary

/// −log2 of a hash read as a fraction of 2^64, in fixed point: the integer form of the score of weighted highest random
/// weight (Thaler, Ravishankar 1998; Schindelhauer, Schomaker 2005).
///
/// The greatest −w / ln u wins, so the least −log2(u) / w does. Floating point logarithms differ in their last bits from
/// one C library to the next, and two machines that rank differently would move data between them for ever; integers
/// do not. See docs/PROTOCOL.md for the arithmetic that a second implementation must repeat.
struct Cost: Hashable, Sendable {
    /// −log2(u / 2^64) with 48 bits after the point; at most 64 << 48.
    let raw: UInt64

    init(hash u: UInt64) {
        // u = 2^(63 - zeros) · m with 1 <= m < 2, so −log2(u / 2^64) = zeros + 1 − log2(m). A hash of 0 counts as 1.
        let u = max(u, 1)
        let zeros = u.leadingZeroBitCount
        let fraction = (u << UInt64(zeros)) & (1 << 63 - 1)  // 63 bits of m after the point
        let index = Int(truncatingIfNeeded: fraction >> Self.restBits)
        let rest = fraction & (1 << Self.restBits - 1)
        let low = Self.table[index]
        // Between two entries a straight line: it is monotone, and at most 2^-11 of itself away from the curve where
        // that is steepest to feel (u close to 1), which is less than a tenth of what 16,384 slots can show.
        let product = (Self.table[index + 1] - low).multipliedFullWidth(by: rest)
        let step = product.high << (64 - Self.restBits) | product.low >> Self.restBits
        raw = UInt64(zeros + 1) << 48 - (low + step)
    }

    private static let restBits: UInt64 = 63 - 10

    /// log2(1 + i/1024) for i in 0...1024, 48 bits after the point, by the schoolbook method: square, and whenever the
    /// result reaches 2, halve it and note a one.
    private static let table: [UInt64] = (0...1024).map { step in
        guard step < 1024 else { return 1 << 48 }
        var mantissa = UInt64(1024 + step) << 53  // 1 ..< 2 with 63 bits after the point
        var logarithm: UInt64 = 0
        for _ in 0..<48 {
            let square = mantissa.multipliedFullWidth(by: mantissa)  // 126 bits after the point
            logarithm <<= 1
            if square.high >> 63 == 1 {
                logarithm |= 1
                mantissa = square.high
            } else {
                mantissa = square.high << 1 | square.low >> 63
            }
        }
        return logarithm
    }
}
