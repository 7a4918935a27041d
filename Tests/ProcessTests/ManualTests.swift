import Testing

@testable import roost

/// The manual pages are the command line's own help in another form: each verb that help shows has one, with all its flags,
/// in a language that `man` reads.
@Suite("manual pages")
struct ManualTests {
    private static let requests: Set<Substring> = [".TH", ".SH", ".TP", ".IP", ".PP", ".\\\""]

    @Test("every verb has a page, with each of its flags, and no line is taken for a request that is none")
    func pages() throws {
        let pages = try ManualCommand.pages(date: "2026-11-28")
        let names = Set(pages.map(\.fileName))
        #expect(names.count == pages.count)
        let root = try #require(pages.first)
        for verb in root.command.shownSubcommands { #expect(names.contains("roost-\(verb.commandName).1")) }
        #expect(names.isSuperset(of: ["roost.1", "roost-put.1", "roost-restart.1", "roost-ca-init.1"]))
        #expect(!names.contains { $0.contains("manual") || $0.contains("help") })
        for page in pages {
            for argument in page.command.arguments ?? [] where argument.shouldDisplay {
                for name in argument.names ?? [] {
                    let text = "\\fB\(ManualPage.escaped(name.text))\\fR"
                    #expect(page.text.contains(text), "\(page.fileName) lacks \(name.text)")
                }
            }
            for line in page.text.split(separator: "\n") where line.hasPrefix(".") || line.hasPrefix("'") {
                #expect(Self.requests.contains(line.prefix { $0 != " " }), "\(page.fileName): \(line)")
            }
        }
        for status in ExitStatus.allCases { #expect(root.text.contains("\\fB\(status.rawValue)\\fR\n")) }
    }
}
