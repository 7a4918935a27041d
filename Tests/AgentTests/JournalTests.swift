import Foundation
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import Agent

@Suite struct JournalTests {
    /// The fields of a datagram, each as `NAME`, a line break, eight bytes of length, the value, a line break.
    private func fields(_ bytes: [UInt8]) throws -> [String: String] {
        var rest = bytes[...]
        var fields: [String: String] = [:]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let name = String(decoding: rest[..<end], as: UTF8.self)
            let length = rest.dropFirst(end + 1 - rest.startIndex).prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
            rest = rest[(end + 9)...]
            try #require(rest.count > length && rest[rest.startIndex + length] == UInt8(ascii: "\n"))
            #expect(fields.updateValue(String(decoding: rest.prefix(length), as: UTF8.self), forKey: name) == nil)
            rest = rest.dropFirst(length + 1)
        }
        #expect(rest.isEmpty)
        return fields
    }

    @Test("the journal hears a line, its level, and what stands in it as fields that no value can forge")
    func journal() throws {
        let folder = NSTemporaryDirectory() + "roost-\(UInt64.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/journal"
        var info = stat()
        #expect(fstat(STDOUT_FILENO, &info) == 0)
        let stream = ["JOURNAL_STREAM": "\(info.st_dev):\(info.st_ino)"]
        let other = ["JOURNAL_STREAM": "\(info.st_dev):\(info.st_ino &+ 1)"]
        #expect(Journal(environment: [:], path: path, output: STDOUT_FILENO) == nil)
        #expect(Journal(environment: other, path: path, output: STDOUT_FILENO) == nil)
        let journal = try #require(Journal(environment: stream, path: path, output: STDOUT_FILENO))
        let written = NIOLockedValueBox<[String]>([])
        func log(_ format: AgentSettings.LogFormat) {
            var logger = Logger(label: "test") { _ in
                LineLogHandler(format: format, level: .info, journal: journal) { line in
                    written.withLockedValue { $0.append(line) }
                }
            }
            logger[metadataKey: "node"] = "simba"
            logger.warning("gone", metadata: ["why.not": "a\nPRIORITY=0\n_UID=0"])
        }
        // Nobody listens: the line comes as it does without a journal.
        log(.journal)
        #expect(written.withLockedValue { $0 } == ["<4>gone node=simba why.not=\"a\\nPRIORITY=0\\n_UID=0\"\n"])
        let socket = try #require(DatagramSocket(path))
        log(.journal)
        let said = try #require(socket.next())
        #expect(
            try fields(Array(said.utf8)) == [
                "MESSAGE": "gone node=simba why.not=\"a\\nPRIORITY=0\\n_UID=0\"", "PRIORITY": "4",
                "SYSLOG_IDENTIFIER": "roost", "ROOST_NODE": "simba", "ROOST_WHY_NOT": "a\nPRIORITY=0\n_UID=0",
            ])
        #expect(socket.next() == nil)
        #expect(written.withLockedValue { $0.count } == 1)
        // Another format is for whoever reads the lines.
        log(.text)
        #expect(socket.next() == nil)
        #expect(written.withLockedValue { $0.count } == 2)
    }
}
