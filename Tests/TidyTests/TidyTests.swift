import Testing

@Suite("The sources are tidy")
struct TidyTests {
    @Test("every source keeps the table of imports and the rules of its target")
    func sources() throws {
        let sources = try PackageTree.swiftSources()
        try #require(sources.count > 50, "the scanner found the sources")
        for finding in sources.flatMap(SourceRules.findings) { Issue.record("\(finding)") }
    }

    @Test("every target has its row in the table, and every row its target")
    func table() throws {
        let targets = Set(
            try PackageTree.files(under: "Sources").compactMap {
                $0.split(separator: "/").dropFirst().first.map(String.init)
            })
        #expect(targets.subtracting(Arrows.allowed.keys).isEmpty, "add them to Arrows.swift and docs/ARCHITECTURE.md")
        #expect(Set(Arrows.allowed.keys).subtracting(targets).isEmpty, "these rows have no sources any more")
    }

    @Test("the table has no circle: arrows point down only")
    func acyclic() {
        var settled: Set<String> = []
        var remaining = Set(Arrows.allowed.keys)
        while !remaining.isEmpty {
            let next = remaining.filter { target in
                (Arrows.allowed[target] ?? []).intersection(Arrows.allowed.keys).isSubset(of: settled)
            }
            guard !next.isEmpty else {
                Issue.record("these import one another in a circle: \(remaining.sorted())")
                return
            }
            settled.formUnion(next)
            remaining.subtract(next)
        }
    }

    @Test("a pure target reaches nothing but pure targets and swift-collections")
    func purity() {
        for target in Arrows.pure.sorted() {
            for module in Arrows.allowed[target] ?? [] where !Arrows.pure.contains(module) {
                #expect(module.hasSuffix("Collections") || module.hasSuffix("Module"), "\(target) may import \(module)")
            }
        }
    }

    @Test("no private key and no note of unfinished work is in the tree")
    func tree() throws {
        let files = try PackageTree.files()
        try #require(files.contains("Package.swift") && files.contains("Makefile"))
        for path in files {
            for finding in TreeRules.findings(path: path, text: try PackageTree.text(path)) {
                Issue.record("\(finding)")
            }
        }
    }

    @Test("tests stay readable too: no file past the size")
    func testFiles() throws {
        for path in try PackageTree.files(under: "Tests") where path.hasSuffix(".swift") {
            let source = SourceText(target: "", path: path, text: try PackageTree.text(path))
            for finding in SourceRules.length(source) { Issue.record("\(finding)") }
        }
    }
}
