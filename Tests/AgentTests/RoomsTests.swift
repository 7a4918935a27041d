import Client
import Hummingbird
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing
import Vocabulary

@testable import Agent

@Suite("Events, metrics, sd_notify and log lines", .timeLimit(.minutes(1)))
struct RoomsTests {
    @Test("the event log keeps the last 1,024 with their numbers")
    func ring() {
        let log = EventLog()
        for _ in 0..<1_100 { log.append(type: "joined", node: "simba", time: "t") }
        #expect(log.events().map(\.id) == Array(77...1_100))
        #expect(log.events(after: 1_098).map(\.id) == [1_099, 1_100])
        #expect(log.events(after: 1_100).isEmpty)
        #expect(log.events(after: 1_101).count == 1_024, "a number of an earlier life counts as 0")
    }

    @Test("followers get what they missed, then what happens; a finished log ends them")
    func followers() async throws {
        let log = EventLog()
        log.append(type: "joined", node: "simba", time: "t")
        log.append(type: "left", node: "simba", time: "t")
        let stream = try #require(log.follow(after: 1))
        log.append(type: "returned", node: "simba", time: "t")
        log.finish()
        var types: [String] = []
        for await event in stream { types.append(event.type) }
        #expect(types == ["left", "returned"])
        #expect(log.followers == 0)
    }

    @Test("there is a bound on followers, and who goes makes place")
    func followersBound() async throws {
        let log = EventLog()
        var streams = (0..<EventLog.followersMax).map { _ in log.follow() }
        #expect(log.follow() == nil)
        streams.removeAll()
        #expect(await eventually { log.followers == 0 })
        #expect(log.follow() != nil)
    }

    @Test("server-sent events come over TLS from Last-Event-ID on, with a heartbeat, and end at a stop")
    func serverSentEvents() async throws {
        let bed = try TestBed()
        let log = EventLog()
        let router = APIRouter.make()
        router.get("/v1/events") { request, _ in try log.response(to: request, heartbeat: .milliseconds(50)) }
        let running = RunningServer(
            try await APIServer.bind(
                .init(tls: (TestBed.loopback(), CurrentCredentials(bed.identity(.node, "simba")))),
                node: NodeName("simba"), router: router, logger: quietLogger()))
        for index in 1...3 { log.append(type: "joined", node: "n\(index)", time: "t") }
        let connection = try await ClientConnection.connect(
            to: .https(running.endpoint), tls: bed.identity(.reader, "nyota"), eventLoopGroup: TestBed.group)
        let response = try await connection.send(
            ClientRequest("GET", "/v1/events", headers: ["Last-Event-ID": "2"]))
        #expect(response.headers["content-type"] == "text/event-stream")
        var text = ""
        for try await part in response.body {
            text += String(buffer: part)
            if text.contains("id: 4"), text.contains("\n:\n\n") { log.finish() }
            if text.contains("id: 3"), !text.contains("id: 4") {
                log.append(type: "crashed", node: "n4", time: "t")
            }
        }
        #expect(!text.contains("id: 2\n"))
        #expect(text.contains("id: 3\nevent: joined\ndata: {"))
        #expect(text.contains("event: crashed\n"))
        #expect(log.followers == 0)
    }

    @Test("who comes late gets all 1,024 kept events over TLS, also with a number of an earlier life")
    func lateFollower() async throws {
        let bed = try TestBed()
        let log = EventLog()
        let router = APIRouter.make()
        router.get("/v1/events") { request, _ in try log.response(to: request) }
        let running = RunningServer(
            try await APIServer.bind(
                .init(tls: (TestBed.loopback(), CurrentCredentials(bed.identity(.node, "simba")))),
                node: NodeName("simba"), router: router, logger: quietLogger()))
        for _ in 1...1_024 { log.append(type: "joined", node: "mkango", time: "t") }
        let connection = try await ClientConnection.connect(
            to: .https(running.endpoint), tls: bed.identity(.reader, "nyota"), eventLoopGroup: TestBed.group)
        let response = try await connection.send(
            ClientRequest("GET", "/v1/events", headers: ["Last-Event-ID": "70000"]))
        var text = ""
        for try await part in response.body {
            text += String(buffer: part)
            if text.contains("id: 1024\n") { log.finish() }
        }
        let ids = text.split(separator: "\n").filter { $0.hasPrefix("id: ") }
        #expect(ids == (1...1_024).map { "id: \($0)" })
    }

    @Test("the exposition has types, sorted labels and escapes")
    func exposition() {
        let metrics = Metrics()
        metrics.count("roost_requests_total", ["route": "/v1/\"x\"\n", "code": "200"], by: 2, help: "Requests.")
        metrics.count("roost_requests_total", ["code": "200", "route": "/v1/\"x\"\n"])
        metrics.set("roost_members", to: 3.5)
        #expect(
            metrics.exposition == """
                # TYPE roost_members gauge
                roost_members 3.5
                # HELP roost_requests_total Requests.
                # TYPE roost_requests_total counter
                roost_requests_total{code="200",route="/v1/\\"x\\"\\n"} 3

                """)
    }

    @Test("metrics stop growing at their bound")
    func metricsBound() {
        let metrics = Metrics()
        for index in 0..<(Metrics.seriesMax + 100) { metrics.count("roost_x_total", ["who": "\(index)"]) }
        #expect(metrics.exposition.split(separator: "\n").count == Metrics.seriesMax + 1)
    }

    @Test("systemd hears READY, STATUS, RELOADING, STOPPING and the watchdog, by path and by abstract name")
    func notify() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/notify"
        let socket = try #require(DatagramSocket(path))
        let notifier = SystemdNotifier(environment: ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3000000"])
        #expect(notifier.watchdog == .seconds(3))
        notifier.ready("serving\nas simba")
        notifier.reloading()
        notifier.feedWatchdog()
        notifier.stopping("leaving")
        #expect(socket.next() == "READY=1\nSTATUS=serving as simba")
        #expect(socket.next()?.hasPrefix("RELOADING=1\nMONOTONIC_USEC=") == true)
        #expect(socket.next() == "WATCHDOG=1")
        #expect(socket.next() == "STOPPING=1\nSTATUS=leaving")
        #expect(socket.next() == nil)
        let name = "@roost-test-\(UInt64.random(in: .min ... .max))"
        let abstract = try #require(DatagramSocket(abstract: name))
        SystemdNotifier(environment: ["NOTIFY_SOCKET": name]).feedWatchdog()
        #expect(abstract.next() == "WATCHDOG=1")
        // Nobody there, no variable, a name that is no path: nothing happens.
        notifier.status("alone")
        SystemdNotifier(environment: ["NOTIFY_SOCKET": "@nobody-listens-here"]).ready("x")
        #expect(!SystemdNotifier(environment: [:]).isActive)
        #expect(!SystemdNotifier(environment: ["NOTIFY_SOCKET": "relative"]).isActive)
        #expect(SystemdNotifier(environment: ["WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"]).watchdog == nil)
    }

    @Test("log lines are one line each, in each format, with their level and metadata")
    func lines() {
        let written = NIOLockedValueBox<[String]>([])
        func log(_ format: AgentSettings.LogFormat) {
            var logger = Logger(label: "test") { _ in
                LineLogHandler(format: format, level: .info) { line in written.withLockedValue { $0.append(line) } }
            }
            logger[metadataKey: "node"] = "simba"
            logger.warning("two\nlines \u{1B}[31m", metadata: ["why": "a \"b\""])
            logger.debug("unheard")
        }
        log(.text)
        log(.journal)
        log(.json)
        let lines = written.withLockedValue { $0 }
        #expect(lines.count == 3)
        #expect(lines[0].hasSuffix("Z warning two\\nlines ?[31m node=simba why=\"a \\\"b\\\"\"\n"))
        #expect(lines[1] == "<4>two\\nlines ?[31m node=simba why=\"a \\\"b\\\"\"\n")
        #expect(lines[2].hasPrefix("{\"level\":\"warning\",\"message\":\"two\\nlines "))
        #expect(lines[2].contains("\"node\":\"simba\""))
    }
}
