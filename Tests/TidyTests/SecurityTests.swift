import Foundation
import Testing

@Suite("What docs/SECURITY.md promises is shown by tests that exist")
struct SecurityTests {
    @Test("each test that it names is there, and it names some in each chapter that has a table")
    func namedTests() throws {
        let text = try PackageTree.text("docs/SECURITY.md")
        let named = Set(text.matches(of: /`([A-Z][A-Za-z]+Tests)\.([a-z][A-Za-z]*)`/).map { "\($0.1).\($0.2)" })
        try #require(named.count > 40, "the names are read")
        var there: Set<String> = []
        for path in try PackageTree.files(under: "Tests") where path.hasSuffix(".swift") {
            let source = try PackageTree.text(path)
            // A suite may have its tests in several files, as extensions.
            let suites = source.matches(of: /(?:struct|enum|extension|class) ([A-Z][A-Za-z]+Tests)\b/).map(\.1)
            let tests = source.matches(of: /func ([a-z][A-Za-z]*)\(/).map(\.1)
            for suite in suites { for test in tests { there.insert("\(suite).\(test)") } }
        }
        for name in named.subtracting(there).sorted() {
            Issue.record("docs/SECURITY.md names \(name), which is no test; name the one that shows it")
        }
        for row in text.split(separator: "\n") where row.hasPrefix("| ") && !row.contains("shown by") {
            #expect(row.contains("Tests."), "no test is named in: \(row.prefix(80))")
        }
    }
}
