import SWIM
import Testing
import Vocabulary

@testable import Agent

@Suite("The book of tags")
struct TagsBookTests {
    private func book(own: Tags = .none) -> TagsBook { TagsBook(own: own, log: quietLogger()) }

    private func tags(_ value: String, bytes: Int = 0) throws -> Tags {
        try Tags(["role": value, "filler": String(repeating: "f", count: bytes)])
    }

    @Test("only what was asked for is taken, and only what its digest says")
    func digests() throws {
        let book = book()
        let edge = try tags("edge")
        let core = try tags("core")
        let wanted = Set([try #require(edge.digest)])
        #expect(book.learn([core.encoded], wanted: wanted).isEmpty)
        var bent = edge.encoded
        bent[bent.count - 1] ^= 1
        #expect(book.learn([bent, [], edge.encoded + [0]], wanted: wanted).isEmpty)
        #expect(book.bytes == 0)
        #expect(book.learn([bent, core.encoded, edge.encoded], wanted: wanted) == wanted)
        #expect(book.tags(try #require(edge.digest))?.byKey["role"] == "edge")
        #expect(book.tags(try #require(core.digest)) == nil)
    }

    @Test("bytes that are no tags are not taken, though a member has signed their digest")
    func malformed() throws {
        let book = book()
        func encoded(_ pairs: (String, String)...) -> [UInt8] {
            var writer = ByteWriter()
            for (key, value) in pairs {
                writer.write(shortText: key)
                writer.write(block: Array(value.utf8))
            }
            return writer.bytes
        }
        let large = encoded(("k", String(repeating: "v", count: 4_100)))
        let wrong: [[UInt8]] = [
            [1], [9, 1], [1, 0x61, 0xff, 0xff, 1], [1, 0x61, 0, 1, 0xff], encoded(("a b", "x")), encoded(("a", "\n")),
            encoded(("b", "x"), ("a", "y")), encoded(("a", "x"), ("a", "y")), large,
        ]
        let digests = Set(wrong.map { Tags.digest(of: $0) })
        #expect(book.learn(wrong, wanted: digests).isEmpty)
        #expect(book.bytes == 0)
    }

    @Test("it never holds more than its bound, and drops what no member has")
    func bound() throws {
        let book = book()
        var digests: [TagsDigest] = []
        for number in 0..<4_000 {
            let tags = try tags("\(number)", bytes: 4_000)
            digests.append(try #require(tags.digest))
            _ = book.learn([tags.encoded], wanted: Set(digests.suffix(1)))
        }
        #expect(!book.hasRoom)
        #expect(book.bytes <= TagsBook.bytesMax && book.bytes > TagsBook.bytesMax - 8_192)
        #expect(book.knows(digests[0]) && !book.knows(digests[3_999]))
        book.keep(Set(digests.prefix(10)))
        #expect(book.hasRoom && book.knows(digests[9]) && !book.knows(digests[10]))
        book.keep([])
        #expect(book.bytes == 0)
    }

    @Test("an answer holds what is known, own tags included, and no more than fits")
    func answers() throws {
        let own = try tags("own")
        let book = book(own: own)
        let ownDigest = try #require(own.digest)
        let unknown = try #require(TagsDigest(bytes: 0...15))
        #expect(book.answer([unknown, ownDigest, ownDigest]) == [own.encoded])
        var digests: [TagsDigest] = []
        for number in 0..<600 {
            let tags = try tags("\(number)", bytes: 4_000)
            digests.append(try #require(tags.digest))
            _ = book.learn([tags.encoded], wanted: Set(digests.suffix(1)))
        }
        let answer = book.answer(digests)
        #expect(answer.reduce(0) { $0 + $1.count } <= TagsBook.answerBytesMax)
        #expect(answer.count > 200)
        book.own = .none
        #expect(book.answer([ownDigest]).isEmpty)
    }
}
