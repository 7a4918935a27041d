import Client
import Vocabulary

/// The bytes of a soak's resource: they say which write they are of, and can be made again to compare.
enum SoakContent {
    static func bytes(_ name: String, _ number: Int) -> [UInt8] {
        var bytes = Array("\(number) \(name)\n".utf8)
        var random = SeededGenerator(seed: SipHash(key0: 0x736f_616b, key1: UInt64(number)).hash(name.utf8))
        // Most are small; now and then one takes a while.
        let exponent = UInt64.random(in: 0...21, using: &random)
        let size = Int.random(in: 0...(1 << exponent), using: &random)
        bytes.reserveCapacity(bytes.count + size + 8)
        while bytes.count < size { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
        return bytes
    }

    /// Which write the bytes are of, when they are just those.
    static func number(of bytes: [UInt8], _ name: String) -> Int? {
        guard let space = bytes.prefix(20).firstIndex(of: UInt8(ascii: " ")),
            let number = Int(String(decoding: bytes[..<space], as: UTF8.self)), number > 0,
            bytes == Self.bytes(name, number)
        else { return nil }
        return number
    }

    /// What a counter's bytes say.
    static func value(of bytes: [UInt8]) -> Int? {
        guard let value = Int(String(decoding: bytes, as: UTF8.self)), bytes == Array("\(value)".utf8) else {
            return nil
        }
        return value
    }
}
