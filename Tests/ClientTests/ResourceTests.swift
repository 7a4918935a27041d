import Client
import Foundation
import NIOCore
import NIOHTTP1
import TLS
import Testing
import Vocabulary

extension NetworkTests {
    @Suite("Resources, as the command line gets and puts them")
    struct ResourceTests {
        /// Serves `bytes` with ranges as an agent does; `cut` tells after how many bytes of an answer it breaks off.
        private static func holder(
            _ bytes: [UInt8], etag: String? = nil, tally: Tally = Tally(), ignoresRange: Bool = false,
            cut: @escaping @Sendable (Int) async -> Int?
        ) -> TestServer.Answer {
            let digest = etag ?? SHA256.digest(bytes).hex
            return { conversation in
                let number = await tally.add()
                let headers = conversation.head.headers
                await tally.note("\(conversation.head.uri) \(headers.first(name: "range") ?? "-")")
                var start = 0
                if !ignoresRange, let range = headers.first(name: "range"),
                    headers.first(name: "if-range") == "\"\(digest)\"",
                    let first = Int(range.dropFirst("bytes=".count).dropLast())
                {
                    start = first
                }
                var fields = [
                    ("ETag", "\"\(digest)\""), ("Content-Length", "\(bytes.count - start)"), ("Roost-Node", "simba"),
                    ("Roost-Route", "mpologoma, simba"), ("Roost-Version", "simba.1.2"), ("Content-Type", "text/plain"),
                ]
                if start > 0 { fields.append(("Content-Range", "bytes \(start)-\(bytes.count - 1)/\(bytes.count)")) }
                try await conversation.begin(start > 0 ? 206 : 200, fields)
                let end = await cut(number).map { min(bytes.count, start + $0) } ?? bytes.count
                while start < end {
                    let next = min(end, start + (1 << 16))
                    try await conversation.write(bytes[start..<next])
                    start = next
                }
                if end == bytes.count { try await conversation.end() } else { try await conversation.breakOff() }
            }
        }

        private static func client(_ addresses: [AgentAddress], _ tls: TLSContext? = nil) throws -> AgentClient {
            try AgentClient(agents: addresses, tls: tls, connectTimeout: .seconds(5))
        }

        @Test("a get that breaks off at any byte is resumed there, over TLS, and ends whole", arguments: [1, 2, 3, 4])
        func resume(seed: UInt64) async throws {
            let workshop = try Workshop()
            let authority = try workshop.authority()
            let bytes = noise(3_000_000, seed: seed)
            let tally = Tally()
            let answer = Self.holder(bytes, tally: tally) { number in
                var generator = SeededGenerator(seed: seed &* 1000 &+ UInt64(number))
                return number < 4 ? Int.random(in: 1...900_000, using: &generator) : nil
            }
            let ours = try workshop.context(authority, .reader, "alice")
            let download = try await TestServer.run(
                tls: try workshop.context(authority, .node, "simba"), answer: answer
            ) { address in
                try await Self.client([address], ours).get("docs/a b", to: .file(workshop.path("out")))
            }
            #expect(try Data(contentsOf: URL(fileURLWithPath: workshop.path("out"))) == Data(bytes))
            #expect(download.resumes == 3)
            #expect(download.size == 3_000_000)
            #expect(download.route == ["mpologoma", "simba"])
            let notes = await tally.notes
            #expect(notes.first == "/v1/resources/docs/a%20b -")
            // The version of the first answer is asked for in all others.
            #expect(notes.dropFirst().allSatisfy { $0.hasPrefix("/v1/resources/docs/a%20b?version=simba.1.2 bytes=") })
            #expect(try workshop.names.filter { $0.contains("roost-get") }.isEmpty)
        }

        @Test("an agent that ignores ranges has its first bytes skipped")
        func ignoredRange() async throws {
            let workshop = try Workshop()
            let bytes = noise(300_000)
            let answer = Self.holder(bytes, ignoresRange: true) { $0 == 1 ? 100_001 : nil }
            let got = try await TestServer.run(unix: workshop.path("s"), answer: answer) { address in
                try await Self.client([address]).getBytes("a")
            }
            #expect(got.bytes == bytes)
            #expect(got.download.resumes == 1)
        }

        @Test("the other agent named goes on where the first one died")
        func otherAgent() async throws {
            let workshop = try Workshop()
            let bytes = noise(500_000)
            let second = Tally()
            try await TestServer.run(unix: workshop.path("a"), answer: Self.holder(bytes) { _ in 200_000 }) { first in
                try await TestServer.run(
                    unix: workshop.path("b"), answer: Self.holder(bytes, tally: second) { _ in nil }
                ) { other in
                    let got = try await Self.client([first, other]).getBytes("a")
                    #expect(got.bytes == bytes)
                }
            }
            #expect(await second.notes == ["/v1/resources/a?version=simba.1.2 bytes=200000-"])
            // And one that is not there at all is passed over.
            try await TestServer.run(unix: workshop.path("c"), answer: Self.holder(bytes) { _ in nil }) { other in
                let client = try Self.client([.unix(path: workshop.path("none")), other])
                #expect(try await client.getBytes("a").bytes == bytes)
            }
        }

        @Test("a resource that changes while it is read is never spliced", arguments: [true, false])
        func changed(agentHonoursIfRange: Bool) async throws {
            let workshop = try Workshop()
            let old = noise(300_000, seed: 1)
            let new = noise(300_000, seed: 2)
            let first = Tally()
            let before = Self.holder(old) { _ in 100_000 }
            let digest = agentHonoursIfRange ? nil : SHA256.digest(old).hex
            // An agent that lies about the ETag is found out by the SHA-256 at the end.
            let after = Self.holder(new, etag: digest) { _ in nil }
            try Data("old".utf8).write(to: URL(fileURLWithPath: workshop.path("out")))
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                if await first.add() == 1 { try await before(&conversation) } else { try await after(&conversation) }
            } _: { address in
                await #expect {
                    _ = try await Self.client([address]).get("a", to: .file(workshop.path("out")))
                } throws: { error in
                    switch error {
                    case ClientError.changed: agentHonoursIfRange
                    case ClientError.checksum: !agentHonoursIfRange
                    default: false
                    }
                }
            }
            #expect(try String(contentsOfFile: workshop.path("out"), encoding: .utf8) == "old")
            #expect(try workshop.names.filter { $0.contains("roost-get") }.isEmpty)
        }

        @Test("bytes that do not have the SHA-256 promised are not kept")
        func wrongDigest() async throws {
            let workshop = try Workshop()
            let answer = Self.holder(noise(1000), etag: SHA256.digest([UInt8]()).hex) { _ in nil }
            try await TestServer.run(unix: workshop.path("s"), answer: answer) { address in
                await #expect {
                    _ = try await Self.client([address]).get("a", to: .file(workshop.path("out")))
                } throws: { error in
                    guard case ClientError.checksum = error else { return false }
                    return true
                }
            }
            #expect(try workshop.names.filter { $0.hasPrefix("out") || $0.contains("roost-get") }.isEmpty)
        }

        @Test("a get that never gets on gives up, and leaves nothing")
        func hopeless() async throws {
            let workshop = try Workshop()
            let tally = Tally()
            let answer = Self.holder(noise(1000), tally: tally) { $0 == 1 ? 10 : 0 }
            try await TestServer.run(unix: workshop.path("s"), answer: answer) { address in
                await #expect {
                    _ = try await Self.client([address]).get("a", to: .file(workshop.path("out")))
                } throws: { error in
                    guard case ClientError.closedMidBody(_, 10, 1000, _) = error else { return false }
                    return true
                }
            }
            #expect(await tally.count == AgentClient.fruitlessAttemptsMax + 1)
            #expect(try workshop.names.filter { $0.hasPrefix("out") || $0.contains("roost-get") }.isEmpty)
        }

        @Test("a refusal carries the agent's own words")
        func refusal() async throws {
            let workshop = try Workshop()
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                try await conversation.answer(
                    404, [("Roost-Node", "simba")],
                    body: #"{"error":{"code":"not_found","message":"no resource a","hint":"roost ls"}}"#)
            } _: { address in
                await #expect {
                    _ = try await Self.client([address]).getBytes("a")
                } throws: { error in
                    guard case ClientError.status(404, let problem, _, "simba") = error else { return false }
                    return problem.code == "not_found" && "\(error)".hasPrefix("no resource a; roost ls")
                }
            }
        }

        /// Takes a put as an agent does, and says `kept` of it.
        private static func taker(status: Int, tally: Tally, lies: Bool = false) -> TestServer.Answer {
            { conversation in
                let headers = conversation.head.headers
                let shown = [
                    "if-match", "if-none-match", "roost-home", "roost-sha256", "content-type", "content-length",
                ]
                .compactMap { name in headers.first(name: name).map { "\(name)=\($0)" } }
                await tally.note("\(conversation.head.method) \(conversation.head.uri) " + shown.joined(separator: " "))
                if headers.contains(name: "expect") { try await conversation.proceed() }
                var hasher = try SHA256Hasher()
                var count: UInt64 = 0
                while let part = try await conversation.nextPart() {
                    hasher.update(part)
                    count += UInt64(part.readableBytes)
                }
                let digest = lies ? SHA256.digest([9]) : hasher.finish()
                try await conversation.answer(
                    status, [("Roost-Node", "simba")],
                    body: try API.JSON.text(
                        API.PutResult(
                            name: "a", version: "simba.1.2", sha256: digest.hex, size: count, copies: ["simba"])))
            }
        }

        @Test("a put sends its conditions, and tells new from replaced from short of copies")
        func put() async throws {
            let workshop = try Workshop()
            let bytes = noise(700_000)
            try Data(bytes).write(to: URL(fileURLWithPath: workshop.path("in")))
            for (status, isNew, isShort) in [(201, true, false), (200, false, false), (202, false, true)] {
                let tally = Tally()
                let socket = workshop.path("s\(status)")
                try await TestServer.run(unix: socket, answer: Self.taker(status: status, tally: tally)) { address in
                    let answer = try await Self.client([address]).put(
                        "a b/c", try Upload.file(workshop.path("in")),
                        options: AgentClient.WriteOptions(
                            home: "simba", ifVersion: "simba.1.1", contentType: "text/plain"))
                    #expect(answer.isNew == isNew)
                    #expect(answer.isShortOfCopies == isShort)
                    #expect(answer.result.size == 700_000)
                    #expect(answer.result.sha256 == SHA256.digest(bytes).hex)
                    #expect(answer.node == "simba")
                }
                #expect(
                    await tally.notes == [
                        "PUT /v1/resources/a%20b/c if-match=\"simba.1.1\" roost-home=simba content-type=text/plain "
                            + "content-length=700000"
                    ])
            }
        }

        @Test("an empty file is put as it is, and an answer about other bytes is an error")
        func emptyAndWrong() async throws {
            let workshop = try Workshop()
            let tally = Tally()
            try await TestServer.run(unix: workshop.path("a"), answer: Self.taker(status: 201, tally: tally)) {
                address in
                let answer = try await Self.client([address]).put("empty", bytes: [])
                #expect(answer.result.size == 0)
            }
            try await TestServer.run(
                unix: workshop.path("b"), answer: Self.taker(status: 201, tally: tally, lies: true)
            ) { address in
                await #expect {
                    _ = try await Self.client([address]).put("a", bytes: [1, 2, 3])
                } throws: { error in
                    guard case ClientError.checksum = error else { return false }
                    return true
                }
            }
        }

        @Test("a kept connection that the agent has closed meanwhile is replaced without a word")
        func staleConnection() async throws {
            let workshop = try Workshop()
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                try await conversation.answer(200, body: "[]")
                try await conversation.breakOff()
            } _: { address in
                let client = try Self.client([address])
                for _ in 0..<20 { #expect(try await client.members().isEmpty) }
            }
        }

        @Test("events stream as they happen")
        func events() async throws {
            let workshop = try Workshop()
            let events = (1...3).map {
                API.Event(id: UInt64($0), time: "2026-11-23T05:52:19.000Z", type: "joined", node: "simba")
            }
            try await TestServer.run(unix: workshop.path("s")) { conversation in
                #expect(conversation.head.uri == "/v1/events?follow=1")
                #expect(conversation.head.headers.first(name: "last-event-id") == "7")
                try await conversation.begin(200, [("Content-Type", "text/event-stream")])
                for event in events {
                    try await conversation.write(Array("id: \(event.id)\ndata: \(try API.JSON.text(event))\n\n".utf8))
                }
                try await conversation.end()
            } _: { address in
                var seen: [API.Event] = []
                for try await event in try await Self.client([address]).events(follow: true, after: 7) {
                    seen.append(event)
                }
                #expect(seen == events)
            }
        }
    }
}

@Suite("Files that appear whole or not at all")
struct AtomicFileTests {
    @Test("a file appears with its commit, replaces the old one and keeps its mode")
    func commit() throws {
        let workshop = try Workshop()
        let path = workshop.path("out")
        try Data("old".utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
        let file = try AtomicFile(path: path)
        try file.write(ByteBuffer(string: "new "))
        try file.write(ByteBuffer(string: "bytes"))
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
        try file.commit()
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "new bytes")
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o640)
        #expect(try workshop.names == ["out"])
    }

    @Test("one that is dropped leaves nothing")
    func dropped() throws {
        let workshop = try Workshop()
        do {
            let file = try AtomicFile(path: workshop.path("out"))
            try file.write(ByteBuffer(string: "x"))
            #expect(try workshop.names.count == 1)
        }
        #expect(try workshop.names.isEmpty)
    }

    @Test("a folder, and a folder that is not there, are refused with a remedy")
    func refused() throws {
        let workshop = try Workshop()
        #expect { try AtomicFile(path: workshop.folder) } throws: { "\($0)".contains("it is a folder") }
        #expect { try AtomicFile(path: workshop.path("none/out")) } throws: {
            "\($0)".contains("create its folder first")
        }
    }

    @Test("a device is written to in place")
    func device() throws {
        let file = try AtomicFile(path: "/dev/null")
        try file.write(ByteBuffer(string: "x"))
        try file.commit()
        #expect(FileManager.default.fileExists(atPath: "/dev/null"))
    }
}
