/// One Swift file as lines, and the same lines with comments and the insides of string literals blanked, so that a rule
/// about code does not fire at prose.
struct SourceText {
    /// The folder under Sources, which is the target's name.
    let target: String
    let path: String
    let lines: [Substring]
    let code: [String]
    /// Every word of the code: most files contain nothing that a rule looks for, and this tells it at once.
    let words: Set<Substring>

    init(target: String, path: String, text: String) {
        self.target = target
        self.path = path
        lines = Self.lines(of: text)
        let code = Self.codeOnly(text)
        self.code = Self.lines(of: code).map(String.init)
        words = Set(code.utf8.split { !Self.isWordByte($0) }.map { Substring($0) })
    }

    private static func lines(of text: String) -> [Substring] {
        text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Substring($0) }
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }

    /// Line breaks stay, so that line numbers agree. Nested block comments, raw and multi-line strings are known;
    /// interpolations count as part of their string.
    static func codeOnly(_ text: String) -> String {
        var scanner = Scanner(rest: Array(text.utf8)[...])
        while let next = scanner.rest.first { scanner.step(next) }
        return String(decoding: scanner.out, as: UTF8.self)
    }

    private struct Scanner {
        var rest: ArraySlice<UInt8>
        var out: [UInt8] = []

        private static let quote = UInt8(ascii: "\"")
        private static let pound = UInt8(ascii: "#")
        private static let lineBreak = UInt8(ascii: "\n")

        mutating func step(_ next: UInt8) {
            if starts("//") {
                while let byte = rest.first, byte != Self.lineBreak { blank(byte) }
            } else if starts("/*") {
                blockComment()
            } else if next == Self.quote || (next == Self.pound && isRawString) {
                string()
            } else {
                out.append(next)
                rest.removeFirst()
            }
        }

        private func starts(_ text: String) -> Bool { rest.starts(with: text.utf8) }

        private var isRawString: Bool { rest.first { $0 != Self.pound } == Self.quote }

        private mutating func blank(_ byte: UInt8) {
            out.append(byte == Self.lineBreak ? byte : UInt8(ascii: " "))
            rest.removeFirst()
        }

        private mutating func blank(count: Int) {
            for byte in rest.prefix(count) { blank(byte) }
        }

        private mutating func blockComment() {
            var depth = 0
            repeat {
                if starts("/*") {
                    depth += 1
                    blank(count: 2)
                } else if starts("*/") {
                    depth -= 1
                    blank(count: 2)
                } else if let byte = rest.first {
                    blank(byte)
                }
            } while depth > 0 && !rest.isEmpty
        }

        private mutating func string() {
            let pounds = rest.prefix { $0 == Self.pound }.count
            let pound = String(repeating: "#", count: pounds)
            blank(count: pounds)
            let quote = starts("\"\"\"") ? "\"\"\"" : "\""
            out.append(Self.quote)
            rest.removeFirst()
            blank(count: quote.utf8.count - 1)
            while let byte = rest.first {
                if starts("\\" + pound) {
                    blank(count: 2 + pounds)
                } else if starts(quote + pound) {
                    blank(count: quote.utf8.count - 1)
                    out.append(Self.quote)
                    rest.removeFirst()
                    blank(count: pounds)
                    return
                } else {
                    blank(byte)
                }
            }
        }
    }
}
