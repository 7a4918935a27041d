import Foundation
import SWIM
import Testing
import Vocabulary

// The protocol as stories that a person can read: Stories/*.txt. Lines that begin with "> " are what happens to the
// group; the lines below each are what its members then say and believe. A change of the protocol shows as a diff.
//
// ROOST_REWRITE_STORIES=1 swift test --filter StoryTests      writes them anew.

@Suite struct StoryTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Stories")

    static var files: [String] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return all.filter { $0.hasSuffix(".txt") }.sorted()
    }

    @Test("the stories are there") func storiesExist() { #expect(Self.files.count >= 8) }

    @Test("each story goes as it is written", arguments: files)
    func story(file: String) throws {
        let url = Self.folder.appendingPathComponent(file)
        let written = try String(contentsOf: url, encoding: .utf8)
        let played = try Story.play(written)
        if ProcessInfo.processInfo.environment["ROOST_REWRITE_STORIES"] != nil {
            try played.write(to: url, atomically: true, encoding: .utf8)
            return
        }
        let expected = written.split(separator: "\n", omittingEmptySubsequences: false)
        let actual = played.split(separator: "\n", omittingEmptySubsequences: false)
        for (number, (a, b)) in zip(expected, actual).enumerated() where a != b {
            Issue.record("\(file):\(number + 1)\n  written: \(a)\n  played:  \(b)")
            return
        }
        #expect(expected.count == actual.count, "\(file) is longer or shorter than what was played")
    }

    @Test("the same seed tells the same story twice") func determinism() throws {
        for file in Self.files {
            let written = try String(contentsOf: Self.folder.appendingPathComponent(file), encoding: .utf8)
            #expect(try Story.play(written) == Story.play(written))
        }
    }
}

/// Reads and plays one story.
enum Story {
    struct NotACommand: Error { let line: String }

    static func play(_ text: String) throws -> String {
        var wire = VirtualWire(seed: 1)
        var output: [String] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line.hasPrefix("#") || line.isEmpty { output.append(line) }
            guard line.hasPrefix("> ") else { continue }
            output.append(line)
            wire.clearTranscript()
            try obey(line.dropFirst(2).split(separator: " ").map(String.init), &wire, line: line)
            output += wire.transcript
        }
        while output.last == "" { output.removeLast() }
        return output.joined(separator: "\n") + "\n"
    }

    private static func obey(_ words: [String], _ wire: inout VirtualWire, line: String) throws {
        func number(_ index: Int) throws -> Int {
            guard index < words.count, let number = Int(words[index]) else { throw NotACommand(line: line) }
            return number
        }
        func node(_ index: Int) throws -> NodeName {
            guard index < words.count else { throw NotACommand(line: line) }
            return try NodeName(words[index])
        }
        switch words.first {
        case "seed": wire = VirtualWire(seed: UInt64(try number(1)))
        case "loss": wire.lossPerThousand = try number(1)
        case "show": wire.showsPackets = words.last == "packets"
        case "start":
            wire.start(
                try node(1), epoch: words.count > 3 ? UInt64(try number(3)) : 1,
                at: words.count > 5 ? try Endpoint(parsing: words[5]) : nil)
        case "stop": wire.stop(try node(1))
        case "join": wire.join(try node(1), through: try node(2))
        case "cut": wire.cut(try node(1), try node(2))
        case "estrange": wire.estrange(try node(1))
        case "mute": wire.cutOneWay(from: try node(1), to: try node(2))
        case "heal": wire.healAll()
        case "run": wire.run(for: .milliseconds(try number(1)))
        case "announce":
            let announcements: [String: Membership.Announcement] = [
                "serving": .serving, "draining": .draining, "restarting": .restarting, "leaving": .leaving,
            ]
            guard let announcement = announcements[words.last ?? ""] else { throw NotACommand(line: line) }
            wire.input(.announce(announcement), to: try node(1))
        case "move": wire.input(.endpoint(try Endpoint(parsing: words[2])), to: try node(1))
        case "forget": wire.input(.forget(try node(2)), to: try node(1))
        case "members":
            for member in wire.hosts[try node(1)]?.membership.members ?? [] {
                wire.note("    \(member.claim) at \(member.endpoint) since \(member.since)")
            }
        default: throw NotACommand(line: line)
        }
    }
}
