import Testing
import Vocabulary

@Suite("Tags")
struct TagsTests {
    private func refusal(_ byKey: [String: String]) -> TagsError? {
        do {
            _ = try Tags(byKey)
            return nil
        } catch {
            return error
        }
    }

    @Test("their canonical form as bytes, for a second implementation to compare")
    func canonicalForm() throws {
        let tags = try Tags(["zone/row": "é", "a": "", "Role": "edge"])
        let expected: [UInt8] =
            [4] + Array("Role".utf8) + [0, 4] + Array("edge".utf8) + [1] + Array("a".utf8) + [0, 0] + [8]
            + Array("zone/row".utf8) + [0, 2, 0xc3, 0xa9]
        #expect(tags.encoded == expected)
        #expect(Tags.none.encoded.isEmpty && Tags.none.isEmpty)
        #expect(tags.description == "Role=edge,a=,zone/row=é")
    }

    @Test("two sets of tags never have one form")
    func distinct() throws {
        let sets = try [
            ["a": "bc"], ["ab": "c"], ["a": "b", "c": ""], ["a": ""], ["b": ""], [:], ["a": "b"], ["a": "b", "b": "a"],
            // Equal to people and to Swift, but other bytes.
            ["a": "\u{e9}"], ["a": "e\u{301}"],
        ].map { try Tags($0).encoded }
        #expect(Set(sets).count == sets.count)
    }

    @Test("keys are 1-64 of a few letters, and the error names the key")
    func keys() throws {
        let longest = String(repeating: "k", count: 64)
        _ = try Tags(["Az09_.-/": "", longest: ""])
        for key in ["", longest + "k", "a b", "a=b", "a,b", "é", "a\u{0}", "a\n"] {
            #expect(refusal([key: "x"]) == .key(key))
        }
        #expect(refusal(["a b": "x"])?.description.contains("\"a b\"") == true)
    }

    @Test("a value is any text that does not move a cursor, end a line or turn the writing round")
    func values() throws {
        _ = try Tags(["a": "jambo, dunia = \"\\\" ✓ 日本 \u{10ffff}"])
        for bad in ["\u{0}", "\n", "\u{1b}[2J", "\u{7f}", "\u{85}", "\u{2028}", "\u{202e}", "\u{2066}"] {
            #expect(refusal(["a": "x\(bad)y"]) == .value(key: "a"))
        }
    }

    @Test("4,096 bytes in all, and not one more")
    func size() throws {
        let value = String(repeating: "v", count: 4_096 - 3 - 1)
        #expect(try Tags(["k": value]).encoded.count == Tags.bytesMax)
        #expect(refusal(["k": value + "v"]) == .tooLarge(bytes: 4_097))
        #expect(refusal(["k": value, "l": ""]) == .tooLarge(bytes: 4_100))
        // As many as there can be.
        var many: [String: String] = [:]
        for number in 0..<682 { many["\(1_00 + number)"] = "" }
        #expect(try Tags(many).encoded.count <= Tags.bytesMax)
    }

    @Test("a digest is 16 bytes or 32 digits, and nothing else")
    func digest() throws {
        let digest = try #require(TagsDigest(bytes: 0xf0...0xff))
        #expect(digest.bytes == Array(0xf0...0xff))
        #expect(digest.description == "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
        #expect(TagsDigest(hex: digest.description) == digest)
        #expect(TagsDigest(bytes: 0...14) == nil && TagsDigest(bytes: 0...16) == nil)
        for text in [
            "", "f0", digest.description + "0", "+" + digest.description.dropFirst(), digest.description.uppercased(),
        ] {
            #expect(TagsDigest(hex: text) == nil)
        }
        let whole = try #require(ContentDigest(bytes: 0...31))
        #expect(TagsDigest(whole).bytes == Array(0...15))
    }
}
