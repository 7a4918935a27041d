/// Logarithms in integers: the protocol's times depend on log n, and every machine must compute the same ones.
enum Logarithm {
    /// The number of decimal digits of n, which is ⌈log10(n + 1)⌉; 1 for n < 1.
    static func digits(_ n: Int) -> Int {
        var digits = 1
        var rest = n / 10
        while rest > 0 {
            digits += 1
            rest /= 10
        }
        return digits
    }

    /// 1,000 · log10(n), rounded down; 0 for n ≤ 1.
    static func thousandths(_ n: Int) -> Int {
        guard n > 1 else { return 0 }
        // log2 bit by bit (Knuth, TAOCP 1.2.2 ex. 25): the fraction's next bit is whether the square reaches 2.
        let n = UInt64(n)
        let whole = 63 - n.leadingZeroBitCount
        var mantissa = n << UInt64(63 - whole)  // 1.63 fixed point in [1, 2)
        var fraction: UInt64 = 0
        for _ in 0..<20 {
            let square = mantissa.multipliedFullWidth(by: mantissa)  // 2.126 fixed point in [1, 4)
            fraction <<= 1
            if square.high >> 63 == 1 {
                fraction |= 1
                mantissa = square.high
            } else {
                mantissa = square.high << 1 | square.low >> 63
            }
        }
        let log2 = UInt64(whole) << 20 | fraction  // 44.20 fixed point
        // log10(2) = 0.301029996
        return Int((log2 * 301_029_996) >> 20) / 1_000_000
    }
}
