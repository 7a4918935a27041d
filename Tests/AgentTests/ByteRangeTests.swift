import Testing

@testable import Agent

@Suite("Range and entity tags")
struct ByteRangeTests {
    @Test(
        "one range of bytes is honoured, what is not one is ignored, what is behind the end is refused",
        arguments: [
            (nil, .whole), ("bytes=0-4", .part(offset: 0, count: 5)), ("bytes=5-", .part(offset: 5, count: 5)),
            ("bytes=-3", .part(offset: 7, count: 3)), ("bytes=-30", .part(offset: 0, count: 10)),
            ("bytes=9-9", .part(offset: 9, count: 1)), ("bytes=4-99", .part(offset: 4, count: 6)),
            ("BYTES=0-0", .part(offset: 0, count: 1)), ("bytes=10-", .unsatisfiable), ("bytes=-0", .unsatisfiable),
            ("bytes=10-20", .unsatisfiable), ("bytes=99999999999999999999-", .unsatisfiable),
            ("bytes=0-99999999999999999999", .part(offset: 0, count: 10)), ("bytes=0-1,3-4", .whole),
            ("bytes=4-2", .whole), ("bytes=-", .whole), ("bytes=a-b", .whole), ("bytes", .whole), ("lines=0-1", .whole),
            ("bytes=+1-2", .whole), ("bytes=1-2-3", .whole),
        ] as [(String?, ByteRange)])
    func table(header: String?, expected: ByteRange) {
        #expect(ByteRange.parse(header, size: 10) == expected)
    }

    @Test("nothing is a part of the empty resource")
    func empty() {
        #expect(ByteRange.parse("bytes=0-", size: 0) == .unsatisfiable)
        #expect(ByteRange.parse("bytes=-1", size: 0) == .unsatisfiable)
        #expect(ByteRange.parse(nil, size: 0) == .whole)
    }

    @Test("entity tags compare weakly for If-None-Match and strongly for If-Match")
    func tags() throws {
        #expect(EntityTags(nil) == nil)
        #expect(EntityTags("junk") == nil)
        #expect(EntityTags(" * ") == .any)
        let list = try #require(EntityTags("\"a\", W/\"b\" ,\"c,d\""))
        #expect(list == .list(["\"a\"", "W/\"b\"", "\"c,d\""]))
        #expect(list.weaklyMatches("\"b\""))
        #expect(!list.stronglyMatches("\"b\""))
        #expect(list.stronglyMatches("\"c,d\""))
        #expect(!list.weaklyMatches("\"d\""))
    }
}
