import Client
import NIOCore
import Testing
import Vocabulary

@testable import Agent

@Suite("What other nodes answer", .timeLimit(.minutes(1)))
struct PeerAnswerTests {
    private func answer(_ status: Int, _ parts: [[UInt8]], bytesMax: Int = 1 << 20) async throws -> [String] {
        let body = AsyncStream<ByteBuffer> { continuation in
            for part in parts { continuation.yield(ByteBuffer(bytes: part)) }
            continuation.finish()
        }
        return try await PeerAnswer.value(
            of: body, status: status, to: "/v1/peer/x", from: NodeName("simba"), bytesMax: bytesMax)
    }

    @Test("a node's refusal is kept as a sentence without control characters, whatever it sent, and read to a bound")
    func refusals() async throws {
        let long = "no\u{1B}[2J\n" + String(repeating: "x", count: 1_000)
        let bytes = try API.JSON.encode(API.ErrorBody(code: "name_in_use", message: long, hint: long))
        do {
            _ = try await answer(409, [Array(bytes.prefix(9)), Array(bytes.dropFirst(9))])
            Issue.record("a refusal passed for an answer")
        } catch PeerCallError.refused(_, _, let status, let body) {
            #expect(status == 409 && body.error.code == "name_in_use")
            for text in [body.error.message, body.error.hint ?? ""] {
                #expect(text.hasPrefix("no?[2J?xxx") && text.hasSuffix("…") && text.unicodeScalars.count == 200)
            }
        }
        let flood = [[UInt8]](repeating: [UInt8](repeating: 32, count: 1 << 15), count: 3)
        await #expect(throws: PeerCallError.self) { _ = try await answer(409, flood) }
        #expect(try await answer(200, flood + [Array("[\"a\"]".utf8)]) == ["a"])
        await #expect(throws: PeerCallError.self) { _ = try await answer(200, flood, bytesMax: 1 << 16) }
    }
}
