import Foundation
import Testing

@testable import Agent

@Suite("What is added to an operator's configuration")
struct SettingsTextTests {
    private static let wanted: [SettingsText.Line] = [
        .init("certs", ["/etc/roost/certs"]), .init("advertise", ["10.0.0.1"]),
        .init("join", ["10.0.0.2:7667", "[2001:db8::1]:7667"]),
    ]
    private static let lines = """
        certs: "/etc/roost/certs"
        advertise: "10.0.0.1"
        join: ["10.0.0.2:7667", "[2001:db8::1]:7667"]

        """

    private func change(_ text: String?) throws -> SettingsText.Change {
        let folder = try TemporaryFolder()
        let path = folder.path + "/roost.yaml"
        if let text { try Data(text.utf8).write(to: URL(filePath: path)) }
        return try SettingsText.change(to: path, wanted: Self.wanted)
    }

    @Test(
        "every byte stays, and the lines come behind it",
        arguments: [
            "", "zone: kampala\n", "# a comment\r\nzone: kampala\r\n", "# no: end",
            "log:\n  level: info\n  format: journal", "tags:\n  role: >-\n    edge\n", "---\nweight: 5\n\n\n",
        ])
    func added(text: String) throws {
        let end = text.isEmpty || text.hasSuffix("\n") || text.hasSuffix("\r\n") ? "" : "\n"
        #expect(try change(text) == .add(text: text + end + Self.lines))
        #expect(try change(text + end + Self.lines) == SettingsText.Change.none, "once")
    }

    @Test("a file that is not there is made; what is said already, in whatever words, is not said again")
    func agreed() throws {
        #expect(try change(nil) == .add(text: Self.lines))
        let own = "advertise: 10.0.0.1:7667\ncerts: /etc/roost/certs/\njoin:\n  - mpologoma.example.org\n  - 10.0.0.2\n"
        #expect(try change(own) == SettingsText.Change.none)
        #expect(try change("certs: /etc/roost/certs\n") != SettingsText.Change.none)
    }

    @Test(
        "where something else is said, or a line behind the end would not count, nothing is added",
        arguments: [
            ("join: [192.0.2.1]\n", "has join: 192.0.2.1"), ("advertise: 192.0.2.1\n", "has advertise: 192.0.2.1"),
            ("certs: /srv/certs\n", "has certs: /srv/certs"), ("join:\n", "has join: with nothing after it"),
            ("{zone: kampala}\n", "takes no more lines"), ("\u{FEFF}zone: kampala\n", "takes no more lines"),
            ("zone: kampala\n...\n", "takes no more lines"),
            ("zone: kampala\n---\nweight: 5\n", "expected"),
        ])
    func conflicts(text: String, reason: String) throws {
        do {
            guard case .conflict(let found, let lines) = try change(text) else {
                Issue.record("lines were added to \(text)")
                return
            }
            #expect(found.contains(reason), "\(found)")
            let missing = lines.split(separator: "\n")
            #expect(!missing.isEmpty && missing.allSatisfy { Self.lines.contains("\($0)\n") }, "\(lines)")
        } catch let error as SettingsError {
            // What no agent would start with is told as at its start.
            #expect("\(error)".contains(reason), "\(error)")
        }
    }

    @Test("a file with a mistake is told as at a start")
    func mistakes() {
        #expect(throws: SettingsError.self) { try change("zoen: kampala\n") }
        #expect(throws: SettingsError.self) { try change("weight: much\n") }
    }
}
