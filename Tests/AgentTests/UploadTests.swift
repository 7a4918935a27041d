import Client
import FoundationEssentials
import Hummingbird
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TLS
import Testing
import Vocabulary

@testable import Agent

@Suite("Uploads that are slow, that break off, and requests that are none", .timeLimit(.minutes(1)))
struct UploadTests {
    let bed: TestBed
    let node: NodeName

    init() throws {
        bed = try TestBed()
        node = try NodeName("simba")
    }

    @Test("only an upload that brings too little in a whole window of waiting is too slow")
    func pace() {
        let enough = UploadPace.bytesPerSecondMin * 30
        var pace = UploadPace()
        func takes(_ count: Int, after waiting: Duration) -> Bool { pace.take(count, after: waiting) }
        // The client's wait for our disk is no time of its own, however little comes.
        for _ in 0..<1_000 { #expect(takes(1, after: .zero)) }
        // A silence is forgiven when a burst follows it, in however many parts.
        #expect(takes(1, after: .seconds(50)))
        for _ in 0..<100 { #expect(takes(enough / 100, after: .milliseconds(10))) }
        // The next window begins: what was fast before does not count in it.
        #expect(takes(1, after: .seconds(50)))
        #expect(!takes(1, after: .seconds(50)))
        // One that waits in small pieces is judged, too.
        pace = UploadPace()
        var parts = 0
        while takes(1, after: .milliseconds(900)), parts < 1_000 { parts += 1 }
        #expect(parts < 70)
        // Just enough is enough, and no count overflows.
        pace = UploadPace()
        for _ in 0..<100 { #expect(takes(enough, after: .seconds(30))) }
        for _ in 0..<3 { #expect(takes(.max, after: .seconds(10))) }
        pace = UploadPace()
        #expect(takes(enough - 1, after: .seconds(30)))
        #expect(!takes(enough, after: .seconds(1)))
    }

    @Test("a client that breaks off its upload is no error in the log, and its handler learns that the body has no end")
    func brokenOff() async throws {
        let levels = NIOLockedValueBox<[Logger.Level]>([])
        var logger = Logger(label: "test") { _ in
            LineLogHandler(format: .text, level: .debug) { line in
                let level = Logger.Level.allCases.last { line.contains(" \($0.rawValue) ") }
                levels.withLockedValue { $0.append(level ?? .critical) }
            }
        }
        logger.logLevel = .debug
        let endings = NIOLockedValueBox<[String]>([])
        let router = APIRouter.make()
        let began = NIOLockedValueBox(0)
        router.put("/v1/resources/**") { request, context in
            do {
                for try await _ in try request.boundedBody(upTo: 1 << 30, context: context) {
                    began.withLockedValue { (count: inout Int) in count += 1 }
                }
                endings.withLockedValue { $0.append("whole") }
            } catch {
                endings.withLockedValue { $0.append("\(type(of: error))") }
                throw error
            }
            return Response.json(["done": true])
        }
        let running = RunningServer(
            try await APIServer.bind(
                .init(tls: (TestBed.loopback(), CurrentCredentials(bed.identity(.node, "simba")))), node: node,
                router: router, logger: logger))
        let identity = try bed.identity(.client, "nyota")
        for length in [UInt64(1 << 20), nil] {
            let before = began.withLockedValue { $0 }
            let (parts, feed) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
            feed.yield(ByteBuffer(repeating: 7, count: 1_000))
            let connection = try await ClientConnection.connect(
                to: .https(running.endpoint), tls: identity, expecting: .node(node),
                eventLoopGroup: TestBed.group)
            let put = Task {
                _ = try await connection.send(
                    ClientRequest("PUT", "/v1/resources/a", body: .stream(length: length, parts)))
            }
            #expect(await eventually { began.withLockedValue { $0 } > before })
            put.cancel()
            await #expect(throws: (any Error).self) { try await put.value }
            await connection.close()
        }
        #expect(await eventually { endings.withLockedValue { $0.count == 2 } })
        let ends = endings.withLockedValue { $0 }
        #expect(ends.allSatisfy { ["BrokenUpload", "APIError"].contains($0) }, "\(ends)")
        #expect(await eventually { running.server.connections == 0 })
        let heard = levels.withLockedValue { $0 }
        #expect(heard.allSatisfy { $0 <= .info }, "\(heard)")
    }

    @Test(
        "what is no request is refused in the one shape of all refusals, with the node's name",
        arguments: [
            "GET /metrics HTTP/1.1\r\nHost: x\r\nX: \(String(repeating: "y", count: 20_000))\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nbad header\r\n\r\n", "no HTTP at all\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nHost: x\r\n"
                + (0..<200).map { "X-\($0): y\r\n" }.joined() + "\r\n",
        ])
    func noRequest(text: String) async throws {
        let running = RunningServer(
            try await APIServer.bind(
                .init(loopbackHTTP: TestBed.loopback()), node: node, router: testRouter(), logger: quietLogger()))
        let port = try #require(running.server.httpPort)
        let answer = try await RawClient.exchange(port, text)
        #expect(answer.hasPrefix("HTTP/1.1 400 "))
        #expect(answer.contains("Roost-Node: simba\r\n"))
        let body = try #require(answer.components(separatedBy: "\r\n\r\n").last)
        #expect(try API.JSON.decode(API.ErrorBody.self, from: Array(body.utf8)).error.code == "bad_request")
        #expect(answer.contains("Content-Length: \(body.utf8.count)\r\n"))
    }

    @Test(
        "a wrong address, a host that is none, and a socket that can not be are bad configuration; a busy port is not")
    func listening() async throws {
        func start(_ listeners: APIServer.Listeners) async throws -> StartError {
            do {
                _ = try await APIServer.bind(listeners, node: node, router: testRouter(), logger: quietLogger())
                throw CancelledByTest()
            } catch let error as ListenError { return StartError(error) }
        }
        func isConfiguration(_ error: StartError) -> Bool {
            switch error {
            case .configuration: true
            case .failed: false
            }
        }
        let credentials = CurrentCredentials(try bed.identity(.node, "simba"))
        for host in ["192.0.2.1", "no-such-host.invalid"] {
            let error = try await start(.init(tls: (Endpoint(host: host, port: 0), credentials)))
            #expect(isConfiguration(error), "\(error)")
            #expect(error.description.contains(host))
        }
        for path in [bed.folder.path, "\(bed.folder.path)/nowhere/s"] {
            let error = try await start(.init(unixSocket: path))
            #expect(isConfiguration(error), "\(error)")
            #expect(error.description.contains(path))
        }
        #expect(
            isConfiguration(
                StartError(try ListenError.notPermitted(TestBed.loopback(80), transport: .tcp, key: "bind"))))
        let running = RunningServer(
            try await APIServer.bind(
                .init(tls: (TestBed.loopback(), credentials)), node: node, router: testRouter(), logger: quietLogger()))
        #expect(!isConfiguration(try await start(.init(tls: (running.endpoint, credentials)))))
    }
}
