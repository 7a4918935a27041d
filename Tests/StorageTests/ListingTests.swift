import Resources
import TLS
import Testing
import Vocabulary

@testable import Storage

@Suite struct ListingTests {
    @Test("names that mean something to SQL or to patterns are plain names, and spellings of one text stay two")
    func trickyNames() async throws {
        let names = [
            "100%", "100%25", "a_b", "axb", "*", "a*b", "[", "[a]", "a]", "?", "it's", "\"quoted\"",
            "; DROP TABLE names --",
            "back\\slash", "e\u{301}/nfd", "\u{e9}/nfc", "e\u{301}", "\u{e9}", "🦁/🏳️‍🌈", "🦁", "A", "a", "ÿ", "\u{10FFFF}x",
            "\u{FFFD}",
        ]
        try await withStore(Scratch()) { store in
            for (index, text) in names.enumerated() { try await store.put(text, [UInt8(index)]) }
            let sorted = try names.map { try ResourceName($0) }.sorted()
            #expect(try await store.list().map(\.name) == sorted)
            for (index, text) in names.enumerated() {
                #expect(try await store.bytes(of: text) == [UInt8(index)])
                let escaped = String(String.UnicodeScalarView(text.unicodeScalars.flatMap { ["\\", $0] }))
                #expect(try await store.list(glob: Glob(escaped)).map(\.name) == [try name(text)])
                #expect(try await store.list(prefix: text).allSatisfy { $0.name.text.utf8.starts(with: text.utf8) })
            }
            #expect(try await store.list(prefix: "100%").count == 2)
            #expect(try await store.list(prefix: "e").count == 2)
            #expect(try await store.list(prefix: "e\u{301}").count == 2)
            // One page a name: nothing is skipped or seen twice.
            var paged: [ResourceName] = []
            while let next = try await store.list(limit: 1, after: paged.last).first { paged.append(next.name) }
            #expect(paged == sorted)
        }
    }

    @Test("20,000 names are listed in order, page by page, by prefix and by pattern")
    func many() async throws {
        try await withStore(Scratch()) { store in
            let lease = try await store.keep(text("x"))
            for batch in 0..<20 {
                try await store.merge(
                    (0..<1_000).map { index in
                        let number = batch * 1_000 + index
                        return Version(
                            name: try name("dir\(number % 100)/file\(number)"),
                            dot: Dot(node: try node("a"), epoch: 1, counter: UInt64(number)), context: CausalContext(),
                            time: HybridTime(raw: UInt64(number) + 1),
                            content: number % 10 == 0
                                ? .tombstone : .blob(digest: lease.digest, size: lease.size, mediaType: ""), home: nil)
                    }, holding: [lease])
            }
            var seen: [ResourceName] = []
            while true {
                let page = try await store.list(limit: 777, after: seen.last)
                seen += page.map(\.name)
                if page.count < 777 { break }
            }
            #expect(seen.count == 18_000)
            #expect(seen == seen.sorted())
            #expect(Set(seen).count == 18_000)
            #expect(try await store.list(prefix: "dir7/").count == 200)
            #expect(try await store.list(prefix: "dir10/").isEmpty)
            #expect(try await store.list(prefix: "dir10/", liveOnly: false).count == 200)
            #expect(try await store.list(glob: Glob("dir7*9")).allSatisfy { $0.name.text.hasSuffix("9") })
            #expect(try await store.list(glob: Glob("dir7/file?07")).count == 9)
            #expect(try await store.list(prefix: "dir8", glob: Glob("dir7*")).isEmpty)
            #expect(try await store.list(prefix: "dir7/f", glob: Glob("dir*")).count == 200)
            #expect(try await store.list(limit: 0).count == 1)
            #expect(try await store.list(limit: .max).count == Store.listLimitMax)
            let held = try await store.held()
            #expect(held.names == 20_000)
            #expect(held.resources == 18_000)
            #expect(held.bytes == 18_000)
            let free = await store.freeBytes()
            #expect(free > 0)
            try await store.expectGroupsAreRight()
        }
    }

    @Test(
        "a pattern matches whole names, as find documents it",
        arguments: [
            ("*", "a/b/c", true), ("*.log", "var/log/x.log", true), ("*.log", "x.logs", false), ("a?c", "a/c", true),
            ("a?c", "ac", false), ("", "a", false), ("a", "a", true), ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("[abc]x", "bx", true), ("[!abc]x", "bx", false), ("[^abc]x", "dx", true), ("[a-c]x", "bx", true),
            ("[a-c]x", "Bx", false), ("[]]x", "]x", true), ("[a-]x", "-x", true), ("[", "[", true),
            ("[ab", "[ab", true),
            ("\\*", "*", true), ("\\*", "a", false), ("a\\", "a\\", true), ("é", "e\u{301}", false), ("?", "🦁", true),
            ("**", "x", true), ("*a", "aaaaaaaab", false), ("%", "x", false), ("_", "x", false), ("[c-a]", "b", false),
        ])
    func glob(pattern: String, name: String, matches: Bool) {
        #expect(Glob(pattern).matches(name) == matches)
    }

    @Test("a hostile pattern costs no more than pattern × name, and an endless one matches nothing")
    func hostileGlob() {
        let pattern = String(repeating: "*a", count: 400) + "b"
        #expect(!Glob(pattern).matches(String(repeating: "a", count: 512)))
        #expect(!Glob(String(repeating: "?", count: 5_000) + "*").matches("a"))
        #expect(!Glob(String(repeating: "a", count: 5_000)).matches(String(repeating: "a", count: 2_048)))
    }

    @Test("a pattern's beginning is what every match begins with")
    func literalPrefix() {
        #expect(Glob("var/log/*.x").literalPrefix == "var/log/")
        #expect(Glob("a\\*b?").literalPrefix == "a*b")
        #expect(Glob("*a").literalPrefix == "")
        #expect(Glob("[a]").literalPrefix == "")
        #expect(Glob("abc").literalPrefix == "abc")
    }
}
