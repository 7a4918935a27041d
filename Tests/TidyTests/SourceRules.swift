/// The rules about Swift sources that neither the compiler nor swift-format checks.
enum SourceRules {
    /// A longer file holds two subjects (docs/HACKING.md).
    static let linesMax = 420

    static func findings(in source: SourceText) -> [Finding] {
        imports(source) + nondeterminism(source) + traps(source) + uncheckedConcurrency(source) + length(source)
    }

    static func imports(_ source: SourceText) -> [Finding] {
        let allowed = Arrows.allowed[source.target] ?? []
        let pattern = importLine
        return matches(source) { line in
            guard line.contains("import "), let match = line.firstMatch(of: pattern) else { return nil }
            let module = String(match.1)
            if allowed.contains(module) || module == "Swift" { return nil }
            return (
                "\(source.target) imports \(module), which the table of modules forbids",
                Arrows.replacement(for: module, in: source.target)
            )
        }
    }

    /// Pure targets: what would make a replay differ.
    static func nondeterminism(_ source: SourceText) -> [Finding] {
        guard Arrows.pure.contains(source.target) else { return [] }
        return matches(source, nondeterministic, suffix: " in the pure target \(source.target)")
            + unseededRandom(source)
    }

    /// `.random(in:)`, `.shuffled()`, `.randomElement()` without `using:`, also when the call spans lines.
    private static func unseededRandom(_ source: SourceText) -> [Finding] {
        guard !source.words.isDisjoint(with: randomWords) else { return [] }
        let pattern = randomCall
        var findings: [Finding] = []
        for (index, line) in source.code.enumerated() {
            for match in line.matches(of: pattern) {
                let rest = ([line[match.range.upperBound...]] + source.code[(index + 1)...].prefix(8).map { $0[...] })
                    .joined(separator: "\n")
                if !argument(of: rest).contains("using:") {
                    findings.append(
                        Finding(
                            path: source.path, line: index + 1,
                            problem:
                                ".\(match.1)( draws from the system's randomness in the pure target \(source.target)",
                            replacement: "pass `using: &rng`, the generator that the caller seeded"))
                }
            }
        }
        return findings
    }

    /// The text up to the parenthesis that closes the one before it.
    private static func argument(of text: String) -> Substring {
        var depth = 1
        let end = text.firstIndex { character in
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            return depth == 0
        }
        return text[..<(end ?? text.endIndex)]
    }

    /// What ends the process, and so every resource it serves, at one bad byte.
    static func traps(_ source: SourceText) -> [Finding] { matches(source, trapping) }

    /// A promise to the compiler needs its proof beside it.
    static func uncheckedConcurrency(_ source: SourceText) -> [Finding] {
        guard !source.words.isDisjoint(with: ["unchecked", "nonisolated"]) else { return [] }
        let pattern = uncheckedPromise
        return source.code.indices.compactMap { index -> Finding? in
            guard source.code[index].contains(pattern) else { return nil }
            let before = source.lines[..<index].last { line in
                let text = line.drop { $0 == " " }
                return !text.isEmpty && !text.hasPrefix("@")
            }
            let isExplained =
                source.lines[index].contains("// ") || before?.drop { $0 == " " }.hasPrefix("//") == true
            guard !isExplained else { return nil }
            return Finding(
                path: source.path, line: index + 1,
                problem: "@unchecked Sendable or nonisolated(unsafe) without its proof",
                replacement: "a comment on the line above that says why no two threads meet, or a lock, or an actor")
        }
    }

    static func length(_ source: SourceText) -> [Finding] {
        let count = source.lines.last == "" ? source.lines.count - 1 : source.lines.count
        guard count > linesMax else { return [] }
        return [
            Finding(
                path: source.path, line: count, problem: "\(count) lines, past \(linesMax)",
                replacement: "two files, each named for its one subject (Type+Feature.swift)")
        ]
    }

    /// The first of the patterns in each line.
    private static func matches(_ source: SourceText, _ patterns: [Pattern], suffix: String = "") -> [Finding] {
        let candidates = patterns.filter { $0.words.isEmpty || !$0.words.isDisjoint(with: source.words) }
        return matches(source) { line in
            for pattern in candidates where !pattern.words.isEmpty || line.utf8.contains(UInt8(ascii: "!")) {
                if line.contains(pattern.regex) { return (pattern.name + suffix, pattern.replacement) }
            }
            return nil
        }
    }

    private static func matches(
        _ source: SourceText, _ rule: (String) -> (problem: String, replacement: String)?
    ) -> [Finding] {
        source.code.enumerated().compactMap { index, line in
            rule(line).map {
                Finding(path: source.path, line: index + 1, problem: $0.problem, replacement: $0.replacement)
            }
        }
    }
}
