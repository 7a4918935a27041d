/// The rules about every text file of the repository.
enum TreeRules {
    static func findings(path: String, text: String) -> [Finding] { keys(path, text) + unfinished(path, text) }

    /// A key's header alone may stand in a document or a test; a header with a body is a key.
    private static func keys(_ path: String, _ text: String) -> [Finding] {
        guard text.utf8.contains(UInt8(ascii: "-")), text.contains("PRIVATE KEY-----"),
            let match = text.firstMatch(of: /-----BEGIN [A-Z ]*PRIVATE KEY-----\s*[A-Za-z0-9+\/=]{32,}/)
        else { return [] }
        return [
            Finding(
                path: path, line: line(of: match.range.lowerBound, in: text), problem: "a private key in the tree",
                replacement: "have the test make its own in a temporary folder, and consider this one known to all")
        ]
    }

    /// What is not done belongs into an issue, where somebody sees it.
    private static func unfinished(_ path: String, _ text: String) -> [Finding] {
        guard ["TO" + "DO", "FIX" + "ME", "XX" + "X"].contains(where: text.contains) else { return [] }
        return text.matches(of: /\b(?:TO[D]O|FIX[M]E|XX[X])\b/).map { match in
            Finding(
                path: path, line: line(of: match.range.lowerBound, in: text), problem: "a note of unfinished work",
                replacement: "do it, or open an issue and delete the note")
        }
    }

    private static func line(of index: String.Index, in text: String) -> Int {
        text[..<index].count { $0 == "\n" } + 1
    }
}
