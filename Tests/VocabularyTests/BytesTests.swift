import Testing
import Vocabulary

@Suite("ByteReader and ByteWriter")
struct BytesTests {
    @Test("what was written is read")
    func roundTrip() throws {
        var writer = ByteWriter()
        writer.write(UInt8.max)
        writer.write(Int16(-2))
        writer.write(UInt32(0x0102_0304))
        writer.write(Int64.min)
        writer.write(shortText: "ndovu é")
        writer.write(block: [1, 2, 3])
        writer.write(raw: [9])
        #expect(writer.bytes[3...6] == [1, 2, 3, 4], "big-endian")
        var reader = ByteReader(writer.bytes)
        #expect(try reader.read(UInt8.self) == .max)
        #expect(try reader.read(Int16.self) == -2)
        #expect(try reader.read(UInt32.self) == 0x0102_0304)
        #expect(try reader.read(Int64.self) == .min)
        #expect(try reader.readShortText() == "ndovu é")
        #expect(try reader.readBlock() == [1, 2, 3])
        #expect(try reader.read(count: 1) == [9])
        #expect(reader.remaining == 0)
    }

    @Test("every text and block past its length field is cut, none traps")
    func cut() throws {
        var writer = ByteWriter()
        writer.write(shortText: String(repeating: "x", count: 300))
        writer.write(block: [UInt8](repeating: 7, count: 70_000))
        var reader = ByteReader(writer.bytes)
        #expect(try reader.readShortText().utf8.count == 255)
        #expect(try reader.readBlock().count == 65_535)
        #expect(reader.remaining == 0)
    }

    @Test("a slice is read from its own start")
    func slice() throws {
        let bytes: [UInt8] = [9, 9, 0, 5, 9]
        var reader = ByteReader(bytes[2..<4])
        #expect(try reader.read(UInt16.self) == 5)
        #expect(throws: ByteError.truncated) { try reader.read(UInt8.self) }
    }

    @Test("a failed read says truncated or notText, and negative counts are refused")
    func failures() {
        var reader = ByteReader([2, 0xC3, 0x28, 1])
        #expect(throws: ByteError.truncated) { try reader.read(UInt64.self) }
        #expect(throws: ByteError.truncated) { try reader.read(count: -1) }
        #expect(throws: ByteError.truncated) { try reader.read(count: .max) }
        #expect(throws: ByteError.notText) { try reader.readShortText() }
    }

    @Test("100,000 random inputs under random reads never trap and never read past the end")
    func random() {
        var rng = SeededGenerator(seed: 1)
        var wrong = 0
        for _ in 0..<100_000 {
            let bytes = (0..<Int.random(in: 0...24, using: &rng)).map { _ in UInt8.random(in: 0...255, using: &rng) }
            var reader = ByteReader(bytes)
            for _ in 0..<4 {
                let before = reader.remaining
                switch Int.random(in: 0..<6, using: &rng) {
                case 0: _ = try? reader.read(UInt8.self)
                case 1: _ = try? reader.read(Int32.self)
                case 2: _ = try? reader.read(UInt64.self)
                case 3: _ = try? reader.readShortText()
                case 4: _ = try? reader.readBlock()
                default: _ = try? reader.read(count: Int.random(in: -2...30, using: &rng))
                }
                wrong += (0...before).contains(reader.remaining) ? 0 : 1
            }
        }
        #expect(wrong == 0)
    }
}

@Suite("ContentDigest")
struct ContentDigestTests {
    @Test("bytes and hexadecimal digits are two forms of one digest")
    func forms() throws {
        let bytes = (0..<32).map { UInt8($0 * 8) }
        let digest = try #require(ContentDigest(bytes: bytes))
        #expect(digest.bytes == bytes)
        #expect(digest.hex.utf8.count == 64)
        #expect(ContentDigest(hex: digest.hex) == digest)
        #expect(ContentDigest(hex: digest.hex.uppercased()) == digest)
        #expect(digest.hex.hasPrefix("0008101820"))
    }

    @Test("leading zeros are kept and the order is that of the bytes")
    func order() throws {
        let zero = try #require(ContentDigest(bytes: [UInt8](repeating: 0, count: 32)))
        #expect(zero.hex == String(repeating: "0", count: 64))
        for index in 0..<32 {
            var bytes = [UInt8](repeating: 0, count: 32)
            bytes[index] = 1
            #expect(zero < (try #require(ContentDigest(bytes: bytes))))
        }
    }

    @Test("any other length or digit is refused")
    func refused() {
        #expect(ContentDigest(bytes: [UInt8](repeating: 0, count: 31)) == nil)
        #expect(ContentDigest(bytes: [UInt8](repeating: 0, count: 33)) == nil)
        for text in [
            "", "0", String(repeating: "0", count: 63), String(repeating: "0", count: 65),
            String(repeating: "0", count: 63) + "g", String(repeating: "é", count: 32),
            "+" + String(repeating: "0", count: 63),
        ] {
            #expect(ContentDigest(hex: text) == nil)
        }
    }
}
