import Client
import NIOCore
import Node
import TLS
import Testing
import Vocabulary

@testable import Agent

@Suite("What an agent checks of its disk without being asked", .timeLimit(.minutes(1)))
struct DiskCheckTests {
    private struct Answer {
        let status: Int
        let body: [UInt8]
        let retryAfter: String?
    }

    private func ask(
        _ agent: TestAgent, _ client: TLSContext, _ method: String, _ name: String, _ headers: HeaderFields = [:],
        body: [UInt8]? = nil
    ) async throws -> Answer {
        let connection = try await ClientConnection.connect(
            to: .https(agent.endpoint), tls: client, eventLoopGroup: TestBed.group)
        let response = try await connection.send(
            ClientRequest(
                method, "/v1/resources/\(name)", headers: headers,
                body: body.map { .bytes(ByteBuffer(bytes: $0)) } ?? .none))
        var bytes: [UInt8] = []
        for try await part in response.body { bytes.append(contentsOf: part.readableBytesView) }
        await connection.close()
        return Answer(status: response.status, body: bytes, retryAfter: response.headers["retry-after"])
    }

    @Test("a part of a blob too large to be waited for is refused while all of it is read, and right after that")
    func checking() async throws {
        let bed = try TestBed()
        let client = try bed.identity(.client, "nyota")
        let agent = try await TestAgent.start(bed, "simba") { $0.scrub.waitedBytesMax = 1 << 20 }
        let bytes = (0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        #expect(await eventually { agent.phase == .serving })
        #expect(try await ask(agent, client, "PUT", "large", body: bytes).status == 201)
        let range: HeaderFields = ["Range": "bytes=2000000-2000009"]
        var verified = range
        verified["Roost-Verifies"] = "sha256"
        let trusted = try await ask(agent, client, "GET", "large", verified)
        #expect(trusted.status == 206 && trusted.body == Array(bytes[2_000_000...2_000_009]))
        let first = try await ask(agent, client, "GET", "large", range)
        #expect(first.status == 503 && first.retryAfter == "5")
        #expect(String(decoding: first.body, as: UTF8.self).contains("\"code\":\"checking\""))
        var last = first
        #expect(
            await eventually {
                if let next = try? await ask(agent, client, "GET", "large", range) { last = next }
                return last.status == 206
            })
        #expect(last.body == Array(bytes[2_000_000...2_000_009]))
        await agent.stop()
    }

    @Test("the disk is read through after a start, and again when the interval is over")
    func timer() async throws {
        let bed = try TestBed()
        let agent = try await TestAgent.start(bed, "simba") {
            $0.scrub.startDelay = .milliseconds(50)
            $0.scrub.interval = .milliseconds(200)
        }
        #expect(await eventually { agent.core.scrub.status.passes >= 3 })
        #expect(agent.core.scrub.status.lastPass != nil)
        await agent.stop()
        // What one start has read the next one does not begin with.
        let again = try await TestAgent.start(bed, "simba") { $0.scrub.startDelay = .milliseconds(50) }
        #expect(await eventually { again.core.scrub.status.lastPass != nil })
        #expect(again.core.scrub.status.passes == 0)
        await again.stop()
    }
}
