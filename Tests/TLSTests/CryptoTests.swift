import NIOCore
import TLS
import Testing
import Vocabulary

/// Text of hexadecimal digits as bytes; spaces are allowed.
func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.compactMap { $0.hexDigitValue.map(UInt8.init) }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

struct SHA256Tests {
    @Test(
        "SHA-256 gives the digests of FIPS 180-4's examples",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
            (
                "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
            ),
        ])
    func vectors(text: String, digest: String) throws {
        #expect(SHA256.digest(text.utf8).hex == digest)
        #expect(SHA256.digest(ByteBuffer(string: text)).hex == digest)
        #expect(SHA256.digest(Array(text.utf8).makeIterator().lazyBytes).hex == digest)
    }

    @Test("a million times 'a', in pieces of every size, gives the digest of FIPS 180-4")
    func millionInPieces() throws {
        var hasher = try SHA256Hasher()
        var rest = 1_000_000
        var size = 1
        while rest > 0 {
            let piece = min(size, rest)
            hasher.update(ByteBuffer(repeating: UInt8(ascii: "a"), count: piece))
            rest -= piece
            size = size % 4_099 + 7
        }
        #expect(hasher.finish().hex == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
        #expect(hasher.finish() == SHA256.digest([UInt8]()), "after finish it starts anew")
    }

    @Test("a copy of a hasher goes its own way")
    func copies() throws {
        var first = try SHA256Hasher()
        first.update(Array("ab".utf8))
        var second = first
        first.update(Array("c".utf8))
        second.update(Array("d".utf8))
        #expect(first.finish() == SHA256.digest("abc".utf8))
        #expect(second.finish() == SHA256.digest("abd".utf8))
    }
}

extension IteratorProtocol where Element == UInt8 {
    /// A sequence without contiguous storage.
    fileprivate var lazyBytes: IteratorSequence<Self> { IteratorSequence(self) }
}

struct HKDFTests {
    @Test("HKDF-SHA256 gives the keys of RFC 5869 A.1 to A.3")
    func vectors() throws {
        #expect(
            try HKDF.deriveKey(
                input: [UInt8](repeating: 0x0b, count: 22), salt: bytes("000102030405060708090a0b0c"),
                info: bytes("f0f1f2f3f4f5f6f7f8f9"), count: 42)
                == bytes(
                    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"))
        #expect(
            try HKDF.deriveKey(
                input: Array(0x00...0x4f), salt: Array(0x60...0xaf), info: Array(0xb0...0xff), count: 82)
                == bytes(
                    """
                    b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09
                    da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87
                    """))
        #expect(
            try HKDF.deriveKey(input: [UInt8](repeating: 0x0b, count: 22), salt: [], info: [], count: 42)
                == bytes(
                    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"))
    }

    @Test("HKDF refuses lengths that RFC 5869 does not define", arguments: [0, -1, 255 * 32 + 1])
    func lengths(count: Int) {
        #expect(throws: TLSError.self) { try HKDF.deriveKey(input: [1], salt: [], info: [], count: count) }
    }
}

struct AES256GCMTests {
    struct Vector: Sendable {
        let key, nonce, plaintext, aad, sealed: String
    }

    // McGrew & Viega, The Galois/Counter Mode of Operation (the submission to NIST), test cases 13 to 16.
    static let vectors = [
        Vector(
            key: String(repeating: "00", count: 32), nonce: String(repeating: "00", count: 12), plaintext: "", aad: "",
            sealed: "530f8afbc74536b9a963b4f1c4cb738b"),
        Vector(
            key: String(repeating: "00", count: 32), nonce: String(repeating: "00", count: 12),
            plaintext: String(repeating: "00", count: 16), aad: "",
            sealed: "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"),
        Vector(
            key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", nonce: "cafebabefacedbaddecaf888",
            plaintext: """
                d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
                1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255
                """, aad: "",
            sealed: """
                522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
                8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad
                b094dac5d93471bdec1a502270e3cc6c
                """),
        Vector(
            key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", nonce: "cafebabefacedbaddecaf888",
            plaintext: """
                d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
                1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39
                """, aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            sealed: """
                522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
                8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662
                76fc6ece0f4e1768cddf8853bb2d551b
                """),
    ]

    @Test("AES-256-GCM seals and opens the published vectors of NIST's submission", arguments: vectors)
    func published(_ vector: Vector) throws {
        let cipher = try AES256GCM(key: bytes(vector.key))
        // Twice: a context that is used again must not remember.
        for _ in 0..<2 {
            let sealed = try cipher.seal(bytes(vector.plaintext), nonce: bytes(vector.nonce), aad: bytes(vector.aad))
            #expect(sealed == bytes(vector.sealed))
            #expect(
                try cipher.open(sealed[...], nonce: bytes(vector.nonce), aad: bytes(vector.aad))
                    == bytes(vector.plaintext))
        }
    }

    @Test("one changed bit anywhere, another nonce, aad or key, or a cut is not authentic")
    func tampering() throws {
        let key = try SecureRandom.bytes(32)
        let cipher = try AES256GCM(key: key)
        let nonce = try SecureRandom.bytes(12)
        let sealed = try cipher.seal(Array("a datagram".utf8), nonce: nonce, aad: [1, 2, 3])
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1 << UInt8(index % 8)
            #expect(throws: TLSError.authenticationFailed) {
                try cipher.open(changed[...], nonce: nonce, aad: [1, 2, 3])
            }
        }
        var other = nonce
        other[0] ^= 1
        #expect(throws: TLSError.authenticationFailed) { try cipher.open(sealed[...], nonce: other, aad: [1, 2, 3]) }
        #expect(throws: TLSError.authenticationFailed) { try cipher.open(sealed[...], nonce: nonce, aad: [1, 2]) }
        for count in 0..<sealed.count {
            #expect(throws: TLSError.authenticationFailed) {
                try cipher.open(sealed.prefix(count), nonce: nonce, aad: [1, 2, 3])
            }
        }
        let stranger = try AES256GCM(key: SecureRandom.bytes(32))
        #expect(throws: TLSError.authenticationFailed) { try stranger.open(sealed[...], nonce: nonce, aad: [1, 2, 3]) }
        #expect(try cipher.open(([0] + sealed)[1...], nonce: nonce, aad: [1, 2, 3]) == Array("a datagram".utf8))
    }

    @Test("keys and nonces of other lengths are refused")
    func lengths() throws {
        #expect(throws: TLSError.self) { try AES256GCM(key: [UInt8](repeating: 0, count: 16)) }
        let cipher = try AES256GCM(key: [UInt8](repeating: 0, count: 32))
        #expect(throws: TLSError.self) { try cipher.seal([1], nonce: [1, 2, 3], aad: []) }
        #expect(throws: TLSError.self) {
            try cipher.open([UInt8](repeating: 0, count: 20)[...], nonce: [UInt8](repeating: 0, count: 16), aad: [])
        }
    }
}

struct SecureRandomTests {
    @Test("random bytes come in the number asked for, never the same twice, and not without bound")
    func random() throws {
        #expect(try SecureRandom.bytes(0).isEmpty)
        #expect(try SecureRandom.bytes(32).count == 32)
        #expect(try SecureRandom.bytes(32) != SecureRandom.bytes(32))
        #expect(throws: TLSError.self) { try SecureRandom.bytes(-1) }
        #expect(throws: TLSError.self) { try SecureRandom.bytes(1 << 30) }
    }
}
