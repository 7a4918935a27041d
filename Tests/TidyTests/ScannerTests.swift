import Testing

/// The scanner over small bad sources: a tidy test that cannot fail would prove nothing.
@Suite("The tidy scanner")
struct ScannerTests {
    private static func findings(_ target: String, _ text: String) -> [Finding] {
        SourceRules.findings(in: SourceText(target: target, path: "Sources/\(target)/X.swift", text: text))
    }

    @Test(
        "refuses what a target must not contain, at its line, and names the replacement",
        arguments: [
            ("SWIM", "import Foundation", "at now"),
            ("SWIM", "@testable import TLS", "pure"),
            ("Vocabulary", "import SWIM", "pure"),
            ("Node", "public import struct NIOCore.ByteBuffer", "effects"),
            ("Simulation", "import COpenSSL", "pure"),
            ("roost-sim", "import NIOCore", "allowed here"),
            ("Gossip", "import NIOCore", "allowed here: SWIM, TLS, Vocabulary"),
            ("Agent", "@preconcurrency import NIOSSL", "OpenSSL"),
            ("Client", "import Storage", "Arrows.swift"),
            ("Placement", "let now = Date()", "at now"),
            ("Relocation", "let clock = ContinuousClock()", "at now"),
            ("Resources", "var rng = SystemRandomNumberGenerator()", "using rng"),
            ("SWIM", "let k = Int.random(in: 0..<9)", "using: &rng"),
            ("SWIM", "let k = Int.random(\n    in: 0..<f(9)\n)", "using: &rng"),
            ("SWIM", "order.shuffle()", "using: &rng"),
            ("SWIM", "let x = peers.randomElement()", "using: &rng"),
            ("Placement", "let h = name.hashValue", "SipHash"),
            ("Placement", "var h = Hasher()", "SipHash"),
            ("Agent", "let x = try! f()", "`try`"),
            ("Agent", "fatalError(\"no\")", "typed error"),
            ("Agent", "let x = table[key]!", "guard let"),
            ("Agent", "let x = f()!.y", "guard let"),
            ("Agent", "var loop: EventLoop!", "guard let"),
            ("Agent", "let x = y as! Z", "as?"),
            ("Storage", "let x = NIOLockedValueBox<(@Sendable () -> Void)?>(nil)", "struct around"),
            ("Agent", "let x = NIOLockedValueBox<@Sendable (Int) -> Bool>(f)", "struct around"),
            ("TLS", "final class C: @unchecked Sendable {}", "why no two threads meet"),
            ("TLS", "let a = 1\nnonisolated(unsafe) var b = 2", "why no two threads meet"),
        ])
    func refuses(target: String, text: String, replacement: String) throws {
        let findings = Self.findings(target, text)
        try #require(findings.count == 1, "\(findings)")
        #expect(findings[0].description.contains(replacement), "\(findings[0])")
        #expect(findings[0].description.hasPrefix("Sources/\(target)/X.swift:\(findings[0].line): "))
    }

    @Test(
        "lets pass what only looks alike",
        arguments: [
            ("SWIM", "import Vocabulary\nimport DequeModule"),
            ("SWIM", "// a Date() in prose, and try! too\nlet a = 1"),
            ("SWIM", "/* ContinuousClock /* nested */ fatalError() */ let a = 1"),
            ("SWIM", "let text = \"Date() \\\" try! x!\""),
            ("SWIM", "let text = #\"a \" fatalError(\"#"),
            ("SWIM", "let text = \"\"\"\n    Hasher() \" x!\n    \"\"\""),
            ("SWIM", "let k = Int.random(in: 0..<9, using: &rng)"),
            ("SWIM", "let k = Int.random(\n    in: 0..<f(9),\n    using: &rng)"),
            ("SWIM", "order.shuffle(using: &rng)"),
            ("Agent", "if !a, a != b, c(!d) { }"),
            ("Agent", "let date = Date()\nlet clock = ContinuousClock()"),
            ("TLS", "/// Sound: set once, then only read.\nfinal class C: @unchecked Sendable {}"),
            ("TLS", "// Sound: immutable.\n@available(*, deprecated)\nfinal class C: @unchecked Sendable {}"),
            ("TLS", "nonisolated(unsafe) let p: OpaquePointer  // never changed"),
        ])
    func passes(target: String, text: String) {
        #expect(Self.findings(target, text) == [])
    }

    @Test("takes a file of the greatest length and refuses one line more")
    func length() {
        let longest = String(repeating: "let a = 1\n", count: SourceRules.linesMax)
        #expect(Self.findings("TLS", longest) == [])
        #expect(Self.findings("TLS", longest + "let b = 2\n").map(\.line) == [SourceRules.linesMax + 1])
    }

    @Test("tells the line, also after comments and strings of several lines")
    func lines() throws {
        let text = "/* a\n b */\nlet t = \"\"\"\n    x\n    \"\"\"\nlet y = z!\n"
        #expect(Self.findings("Agent", text).map(\.line) == [6])
    }

    @Test("finds a private key by its body, and lets its header alone pass in a text")
    func privateKeys() {
        let header = "-----BEGIN EC PRIVATE KEY-----"
        let body = String(repeating: "MHcCAQEEIA", count: 6)
        let findings = TreeRules.findings(path: "a.md", text: "x\n\(header)\n\(body)\n")
        #expect(findings.map(\.line) == [2])
        #expect(findings.first?.problem.contains("private key") == true)
        #expect(TreeRules.findings(path: "a.md", text: "the file begins with \(header)\n") == [])
    }

    @Test("finds notes of unfinished work in any file", arguments: ["TO" + "DO", "FIX" + "ME", "XX" + "X"])
    func unfinished(note: String) {
        #expect(TreeRules.findings(path: "Makefile", text: "a\n# \(note): later\n").map(\.line) == [2])
        #expect(TreeRules.findings(path: "Makefile", text: "mktemp /tmp/a.\(note)\(note)\n") == [])
    }
}
