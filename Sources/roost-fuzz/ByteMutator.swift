/// Changes bytes as a network, a defect or an enemy would. It knows what most formats have in common (lengths before
/// texts, integers of two, four and eight bytes), not this one's fields: so it stays sharp when the format changes.
struct ByteMutator {
    /// Lengths at which something usually gives way.
    private static let extremes: [UInt8] = [0, 1, 31, 32, 33, 62, 63, 64, 127, 128, 252, 253, 254, 255]

    /// One to four changes.
    static func mutate(_ bytes: inout [UInt8], besides other: [UInt8], _ dice: inout Dice) {
        // Most often one, so that the rest is still a packet.
        var changes = 1
        while changes < 4, dice.percent(35) { changes += 1 }
        for _ in 0..<changes { change(&bytes, besides: other, &dice) }
    }

    private static func change(_ bytes: inout [UInt8], besides other: [UInt8], _ dice: inout Dice) {
        guard !bytes.isEmpty else {
            bytes = dice.bytes(dice.below(64))
            return
        }
        let at = dice.below(bytes.count)
        switch dice.below(12) {
        case 0, 1: bytes[at] ^= 1 << UInt8(dice.below(8))
        case 2: bytes[at] = dice.byte()
        case 3: bytes[at] = dice.pick(extremes)
        case 4: bytes[at] = dice.percent(50) ? bytes[at] &+ 1 : bytes[at] &- 1
        case 5:
            // An integer at its end.
            let end = min(at + [2, 4, 8][dice.below(3)], bytes.count)
            let fill: UInt8 = dice.percent(60) ? 0xff : dice.percent(50) ? 0 : 0x80
            for index in at..<end { bytes[index] = fill }
        case 6: bytes.removeLast(dice.below(bytes.count) + 1)
        case 7: bytes.append(contentsOf: dice.bytes(dice.below(40) + 1))
        case 8: splice(&bytes, at, other, &dice)
        case 9:
            let end = min(at + 1 + dice.below(24), bytes.count)
            bytes.removeSubrange(at..<end)
        case 10:
            let end = min(at + 1 + dice.below(64), bytes.count)
            bytes.insert(contentsOf: Array(bytes[at..<end]), at: dice.below(bytes.count + 1))
        default: stretch(&bytes, at, &dice)
        }
    }

    /// The head of one and the tail of another.
    private static func splice(_ bytes: inout [UInt8], _ at: Int, _ other: [UInt8], _ dice: inout Dice) {
        guard !other.isEmpty else { return }
        let from = dice.percent(50) ? min(at, other.count - 1) : dice.below(other.count)
        bytes.replaceSubrange(at..., with: other[from...])
    }

    /// Finds a text (a length, then as many printable bytes), and makes it longer or shorter, with its length or
    /// without; or puts bytes into it that no text has.
    private static func stretch(_ bytes: inout [UInt8], _ at: Int, _ dice: inout Dice) {
        for start in at..<bytes.count {
            let length = Int(bytes[start])
            guard length > 0, start + length < bytes.count,
                bytes[start + 1...start + length].allSatisfy({ (0x21...0x7e).contains($0) })
            else { continue }
            switch dice.below(5) {
            case 0:
                let longer = min(length + 1 + dice.below(200), 255)
                bytes[start] = UInt8(longer)
                bytes.insert(
                    contentsOf: repeatElement(UInt8(ascii: "a"), count: longer - length), at: start + 1)
            case 1:
                bytes[start] = 0
                bytes.removeSubrange(start + 1...start + length)
            case 2: bytes[start] = dice.pick(extremes)
            case 3: bytes[start + 1 + dice.below(length)] = [0, 0x0a, 0x1f, 0x2d, 0x7f, 0xc0, 0xff][dice.below(7)]
            default: bytes[start + 1 + dice.below(length)] = dice.byte()
            }
            return
        }
        bytes[at] = dice.byte()
    }
}
