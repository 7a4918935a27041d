import Client
import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import TLS
import Testing
import Vocabulary

extension NetworkTests {
    @Suite("Writes that an agent did not take")
    struct WriteAgainTests {
        /// Takes the whole body, and answers with `status` and `code` each time but those that `takes` names.
        private static func agent(
            _ tally: Tally, _ status: Int, _ code: String, takes: @escaping @Sendable (Int) -> Bool = { _ in false }
        ) -> TestServer.Answer {
            { conversation in
                let number = await tally.add()
                var bytes: [UInt8] = []
                if conversation.head.method == .PUT {
                    try await conversation.proceed()
                    while let part = try await conversation.nextPart() {
                        bytes.append(contentsOf: part.readableBytesView)
                    }
                }
                let digest = SHA256.digest(bytes).hex
                await tally.note(digest)
                guard takes(number) else {
                    let problem = #"{"error":{"code":"\#(code)","message":"not now"}}"#
                    return try await conversation.answer(status, body: code == broken ? "{" : problem)
                }
                try await conversation.answer(
                    201,
                    body: try API.JSON.text(
                        API.PutResult(
                            name: "a", version: "simba.1.2", sha256: digest, size: UInt64(bytes.count),
                            copies: ["simba", "mkango"])))
            }
        }

        /// An answer of which its code did not arrive.
        private static let broken = "broken"

        private static func client(
            _ addresses: [AgentAddress], patience: Duration = .zero,
            waits: @escaping @Sendable (ClientError) -> Void = { _ in }
        ) throws -> AgentClient {
            try AgentClient(
                agents: addresses, tls: nil, connectTimeout: .seconds(5),
                writePatience: WritePatience(patience, waits: waits))
        }

        /// Two agents: the first refuses, the second takes.
        private func pair(
            _ status: Int, _ code: String, _ body: @Sendable (AgentClient, Workshop) async throws -> Void
        ) async throws -> (first: [String], second: [String]) {
            let workshop = try Workshop()
            let tallies = (Tally(), Tally())
            try await TestServer.run(unix: workshop.path("a"), answer: Self.agent(tallies.0, status, code)) { first in
                let second = Self.agent(tallies.1, 500, "internal") { _ in true }
                try await TestServer.run(unix: workshop.path("b"), answer: second) { second in
                    try await body(try Self.client([first, second]), workshop)
                }
            }
            return (await tallies.0.notes, await tallies.1.notes)
        }

        @Test(
            "go to the next agent, whole, when the answer says that nothing was written",
            arguments: [(503, "draining"), (503, "joining"), (507, "no_space")])
        func next(status: Int, code: String) async throws {
            let bytes = noise(700_000)
            let notes = try await pair(status, code) { client, workshop in
                let path = workshop.path("file")
                try Data(bytes).write(to: URL(fileURLWithPath: path))
                let upload = try Upload.file(path)
                #expect(try await client.put("a", upload).result.size == 700_000)
            }
            let digest = SHA256.digest(bytes).hex
            #expect(notes == ([digest], [digest]))
            let deleted = try await pair(status, code) { client, _ in
                let answer = try await client.delete("a")
                #expect(answer.isNew)
            }
            #expect(deleted.first.count == 1 && deleted.second.count == 1)
        }

        @Test(
            "stay where they were when the answer leaves open whether they were made, or refuses them for good",
            arguments: [
                (503, "outcome_unknown"), (503, "stopping"), (503, broken), (500, "internal"),
                (412, "precondition_failed"),
            ])
        func open(status: Int, code: String) async throws {
            let notes = try await pair(status, code) { client, _ in
                await #expect {
                    _ = try await client.put("a", bytes: [1, 2, 3])
                } throws: { error in
                    guard case ClientError.status(status, let problem, _, _) = error else { return false }
                    return problem.code == (code == Self.broken ? "http_503" : code)
                }
            }
            #expect(notes.first.count == 1 && notes.second.isEmpty)
        }

        @Test("from a pipe are sent once: its bytes are gone")
        func pipe() async throws {
            let notes = try await pair(503, "draining") { client, workshop in
                let path = workshop.path("pipe")
                try #require(mkfifo(path, 0o600) == 0)
                let writer = Task.detached { try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path)) }
                let upload = try Upload.file(path)
                await #expect(throws: ClientError.self) { try await client.put("a", upload) }
                try await writer.value
            }
            #expect(notes.first.count == 1 && notes.second.isEmpty)
        }

        @Test("are asked for again while there is patience, where that may pass")
        func patience() async throws {
            let workshop = try Workshop()
            let tally = Tally()
            let passing = Self.agent(tally, 503, "no_owner") { $0 == 3 }
            try await TestServer.run(unix: workshop.path("a"), answer: passing) { address in
                let said = NIOLockedValueBox<[String]>([])
                let patient = try Self.client([address], patience: .seconds(60)) { error in
                    said.withLockedValue { $0.append("\(error)") }
                }
                #expect(try await patient.put("a", bytes: [7]).isNew)
                #expect(await tally.count == 3)
                // However many rounds it takes, it is told of once.
                #expect(said.withLockedValue { $0.count } == 1)
                #expect(said.withLockedValue { $0.first }?.contains("no_owner") == true)
                // Without it the first answer is the last.
                let hasty = try Self.client([address])
                await #expect(throws: ClientError.self) { try await hasty.put("a", bytes: [7]) }
                #expect(await tally.count == 4)
            }
            let full = Tally()
            try await TestServer.run(unix: workshop.path("b"), answer: Self.agent(full, 507, "no_space")) { address in
                let patient = try Self.client([address], patience: .seconds(60))
                await #expect(throws: ClientError.self) { try await patient.put("a", bytes: [7]) }
            }
            #expect(await full.count == 1)
        }

        @Test("are sent to no agent twice that is full, whoever else is down")
        func full() async throws {
            let workshop = try Workshop()
            let tally = Tally()
            try await TestServer.run(unix: workshop.path("a"), answer: Self.agent(tally, 507, "no_space")) { address in
                let down = AgentAddress.unix(path: workshop.path("none"))
                let client = try Self.client([address, down, down], patience: .seconds(60))
                await #expect {
                    _ = try await client.put("a", bytes: [7])
                } throws: { error in
                    guard case ClientError.status(507, _, _, _) = error else { return false }
                    return true
                }
            }
            #expect(await tally.count == 1)
        }

        @Test("end with what the agent said, though it listens no more, or another that is full was asked after it")
        func words() async throws {
            let workshop = try Workshop()
            let tallies = (Tally(), Tally())
            let path = workshop.path("a")
            let stops = Self.agent(tallies.0, 503, "draining")
            try await TestServer.run(unix: path) { conversation in
                unlink(path)
                try await stops(&conversation)
            } _: { first in
                let full = Self.agent(tallies.1, 507, "no_space")
                try await TestServer.run(unix: workshop.path("b"), answer: full) { second in
                    let client = try Self.client([first, second], patience: .milliseconds(2_500))
                    await #expect {
                        _ = try await client.put("a", bytes: [7])
                    } throws: { error in
                        guard case ClientError.status(503, _, _, _) = error else { return false }
                        return true
                    }
                }
            }
            #expect(await tallies.0.count == 1)
            #expect(await tallies.1.count > 1)
        }
    }
}
