import Authority
import Client
import Foundation
import NIOCore
import NIOPosix
import TLS
import Testing
import Vocabulary

@testable import Agent

/// Real OpenSSL over loopback: what a host without a certificate reaches, and what it does not.
@Suite("The way in without a certificate", .timeLimit(.minutes(2)))
struct EnrolmentTests {
    let bed: TestBed
    let office: AuthorityOffice

    init() throws {
        bed = try TestBed()
        office = AuthorityOffice(folder: bed.folder.path + "/ca")
    }

    private func desk() -> EnrolmentDesk {
        EnrolmentDesk(
            office: office, log: quietLogger(), standing: { _ in .init(isMember: false, isRevoked: false) },
            addresses: { [] })
    }

    private func serve(issuer: Bool = true) async throws -> RunningServer { try await serve(issuer ? desk() : nil) }

    private func serve(_ desk: EnrolmentDesk?, limits: ServerLimits = ServerLimits()) async throws -> RunningServer {
        let credentials = CurrentCredentials(try bed.identity(.node, "simba-\(UUID().uuidString.lowercased())"))
        var listeners = APIServer.Listeners(tls: (try TestBed.loopback(), credentials))
        listeners.enrolment = desk
        return RunningServer(
            try await APIServer.bind(
                listeners, node: NodeName("simba"), router: testRouter(), limits: limits, logger: quietLogger()))
    }

    private func token(_ running: RunningServer) async throws -> InvitationToken {
        try await office.invite(.init(), addresses: [running.endpoint]).0
    }

    /// openssl's own client, without a certificate: all that it printed.
    private func sClient(_ running: RunningServer, alpn: String?, say: String) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments =
            ["s_client", "-connect", "\(try running.endpoint)", "-ign_eof", "-quiet"]
            + (alpn.map { ["-alpn", $0] } ?? [])
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = output
        try process.run()
        try? input.fileHandleForWriting.write(contentsOf: Data(say.utf8))
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("enrolment gives a certificate that the same server then takes")
    func whole() async throws {
        let running = try await serve()
        let token = try await token(running)
        let folder = bed.folder.path + "/new/certs"
        let granted = try Enrolment(token: token, name: NodeName("mkango"), folder: folder).run()
        #expect(granted.uri == "roost://savanna/node/mkango")
        #expect(try FileManager.default.contentsOfDirectory(atPath: bed.folder.path + "/new") == ["certs"])
        let connection = try await ClientConnection.connect(
            to: .https(running.endpoint), tls: TLSContext(credentials: Credentials(folder: folder)),
            eventLoopGroup: TestBed.group)
        #expect(try await connection.ask("GET", "/v1/peer/groups").status == 200)
        #expect(throws: AuthorityError.self) {
            try Enrolment(token: token, name: NodeName("mkango"), folder: folder).run()
        }
        do {
            _ = try Enrolment(token: token, name: NodeName("mkango"), folder: bed.folder.path + "/third").run()
            Issue.record("a token was good twice")
        } catch Enrolment.Failure.refused(let refused) {
            #expect(refused.code == "invitation_used")
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: bed.folder.path)
        #expect(!left.contains { $0.hasPrefix(".roost-enroll-") }, "\(left)")
    }

    @Test("who has no certificate gets no HTTP, whatever protocols are offered; only the enrolment ends the handshake")
    func nothingElse() async throws {
        let running = try await serve()
        let request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
        for alpn in [nil, "http/1.1", "roost-enroll/1,http/1.1", "http/1.1,roost-enroll/1", "roost-enroll/2"] {
            let said = try sClient(running, alpn: alpn, say: request)
            #expect(!said.contains("HTTP/1.1 "), "\(alpn ?? "none"): \(said)")
            #expect(!said.contains("roost_up"), "\(alpn ?? "none"): \(said)")
            #expect(said.contains("alert"), "\(alpn ?? "none"): \(said)")
        }
        // Admitted, and still nothing that speaks HTTP is behind it: the first two letters are a length past the bound.
        let said = try sClient(running, alpn: "roost-enroll/1", say: request)
        #expect(!said.contains("HTTP/1.1 ") && !said.contains("roost_up") && !said.contains("alert"), "\(said)")
        #expect(await eventually { running.server.connections == 0 })
    }

    @Test("a node without a CA takes nobody in")
    func noIssuer() async throws {
        let running = try await serve(issuer: false)
        let token = try await token(running)
        #expect(throws: EnrolmentCallError.self) {
            try EnrolmentCall(to: running.endpoint, pin: token.pin, cluster: token.cluster)
        }
    }

    @Test("a host says nothing to whoever is not of the token's CA or cluster")
    func pinned() async throws {
        let running = try await serve()
        let token = try await token(running)
        func refused(pin: ContentDigest, cluster: String) throws {
            let endpoint = try running.endpoint
            do {
                _ = try EnrolmentCall(to: endpoint, pin: pin, cluster: ClusterName(cluster))
                Issue.record("it was taken for the issuer")
            } catch EnrolmentCallError.wrongAuthority {}
        }
        try refused(pin: SHA256.digest([0]), cluster: "savanna")
        try refused(pin: token.pin, cluster: "serengeti")
        // In between, with a CA of the same name, and the true CA's certificate beside its own.
        let eve = try TestBed()
        let trueCA = try Data(contentsOf: URL(filePath: bed.folder.path + "/ca/ca.pem"))
        _ = try eve.identity(.node, "eve")
        let trust = eve.folder.path + "/node-eve/ca.pem"
        try (Data(contentsOf: URL(filePath: trust)) + trueCA).write(to: URL(filePath: trust))
        let between = CurrentCredentials(
            try TLSContext(credentials: Credentials(folder: eve.folder.path + "/node-eve")))
        var listeners = APIServer.Listeners(tls: (try TestBed.loopback(), between))
        listeners.enrolment = EnrolmentDesk(
            office: AuthorityOffice(folder: eve.folder.path + "/ca"), log: quietLogger(),
            standing: { _ in .init(isMember: false, isRevoked: false) }, addresses: { [] })
        let middle = RunningServer(
            try await APIServer.bind(listeners, node: NodeName("eve"), router: testRouter(), logger: quietLogger()))
        do {
            _ = try EnrolmentCall(to: middle.endpoint, pin: token.pin, cluster: token.cluster)
            Issue.record("another CA's node was taken for the issuer")
        } catch EnrolmentCallError.wrongAuthority {}
    }

    @Test("a certificate that only calls is no issuer's")
    func callersAreNoIssuers() async throws {
        let credentials = CurrentCredentials(try bed.identity(.admin, "amina"))
        var listeners = APIServer.Listeners(tls: (try TestBed.loopback(), credentials))
        listeners.enrolment = EnrolmentDesk(
            office: office, log: quietLogger(), standing: { _ in .init(isMember: false, isRevoked: false) },
            addresses: { [] })
        let running = RunningServer(
            try await APIServer.bind(listeners, node: NodeName("simba"), router: testRouter(), logger: quietLogger()))
        let token = try await token(running)
        do {
            _ = try EnrolmentCall(to: running.endpoint, pin: token.pin, cluster: token.cluster)
            Issue.record("an admin's certificate passed for the issuer")
        } catch EnrolmentCallError.wrongAuthority {}
    }

    @Test("a request that was made for another connection is good for nothing")
    func relayed() async throws {
        let running = try await serve()
        let token = try await token(running)
        let csr = try X509Request.make(for: .generate(), role: .node, name: NodeName("mkango")).der()
        let first = try EnrolmentCall(to: running.endpoint, pin: token.pin, cluster: token.cluster)
        let second = try EnrolmentCall(to: running.endpoint, pin: token.pin, cluster: token.cluster)
        #expect(first.binding != second.binding)
        let request = try EnrolmentRequest.make(
            token: token, name: NodeName("mkango"), request: csr, binding: first.binding)
        let answer = try JSONDecoder().decode(EnrolmentAnswer.self, from: Data(second.exchange(request.bytes)))
        #expect(answer.granted == nil && answer.refused?.code == "unknown_invitation")
        let whole = try JSONDecoder().decode(EnrolmentAnswer.self, from: Data(first.exchange(request.bytes)))
        #expect(whole.granted?.uri == "roost://savanna/node/mkango")
    }

    @Test("guesses from one address are refused before any cryptography after a few, and members are served meanwhile")
    func guessing() async throws {
        let running = try await serve()
        let token = try await token(running)
        let member = try await ClientConnection.connect(
            to: .https(running.endpoint), tls: bed.identity(.client, "amina"), eventLoopGroup: TestBed.group)
        var refused = 0
        var busy = 0
        for _ in 0..<20 {
            let guess = InvitationToken(
                cluster: token.cluster, role: .node, name: nil, addresses: token.addresses, pin: token.pin,
                id: token.id, secret: try SecureRandom.bytes(16))
            do {
                _ = try Enrolment(token: guess, name: NodeName("eve"), folder: bed.folder.path + "/eve").run()
                Issue.record("a guess was right")
            } catch Enrolment.Failure.refused(let answer) {
                #expect(answer.code == "unknown_invitation")
                refused += 1
            } catch Enrolment.Failure.busy {
                busy += 1
            }
            #expect(try await member.ask("GET", "/v1/members").status == 200)
        }
        #expect(
            refused >= StrangerRegister.Bounds.enrolments.failuresPerSourceMax
                && refused <= StrangerRegister.Bounds.enrolments.failuresPerSourceMax + 4)
        #expect(busy + refused == 20)
    }

    /// openssl's own client from another address of this host: it ends its handshake, and says nothing.
    private func silent(_ running: RunningServer, from address: String) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments = [
            "s_client", "-connect", "\(try running.endpoint)", "-bind", "\(address):0", "-ign_eof", "-quiet",
            "-alpn", "roost-enroll/1",
        ]
        process.standardInput = Pipe()
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }

    @Test("four addresses that hold all places and say nothing keep no host from enrolling: the oldest gives way")
    func silent() async throws {
        let desk = desk()
        let running = try await serve(desk)
        let token = try await token(running)
        var held: [Process] = []
        defer {
            for process in held where process.isRunning { process.terminate() }
        }
        for number in 0..<StrangerRegister.Bounds.enrolments.placesMax {
            held.append(
                try silent(
                    running, from: "127.0.0.\(66 + number / StrangerRegister.Bounds.enrolments.placesPerSourceMax)"))
        }
        #expect(await eventually { desk.underWay == StrangerRegister.Bounds.enrolments.placesMax })
        let granted = await eventually {
            let name = try? NodeName("mkango")
            let enrolment = name.map { Enrolment(token: token, name: $0, folder: bed.folder.path + "/new") }
            return (try? enrolment?.run()) != nil
        }
        #expect(granted)
        // One of them, for the one who asked.
        #expect(await eventually { held.count { !$0.isRunning } == 1 })
    }

    @Test("who has not sent its request in time is closed, and its place is free")
    func silentAlone() async throws {
        var limits = ServerLimits()
        limits.enrolmentRequestTimeout = .milliseconds(300)
        let desk = desk()
        let running = try await serve(desk, limits: limits)
        let held = try silent(running, from: "127.0.0.66")
        defer { held.terminate() }
        #expect(await eventually { !held.isRunning })
        #expect(await eventually { desk.underWay == 0 })
    }
}

@Suite("Who may try to enrol")
struct EnrolmentBoundsTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private let bounds = StrangerRegister.Bounds.enrolments

    /// A register, and the numbers of those who ask it.
    private final class Asked {
        var register: StrangerRegister
        var last: UInt64 = 0

        init(_ now: NIODeadline) { register = StrangerRegister(bounds: .enrolments, now: now) }

        func admit(_ key: String, _ now: NIODeadline) -> StrangerRegister.Decision {
            last += 1
            return register.begin(last, from: key, at: now)
        }

        /// Whether it was let in; then it is over at once.
        func tries(_ key: String, _ now: NIODeadline, succeeds: Bool = false) -> Bool {
            guard admit(key, now) != .refused else { return false }
            register.ended(last, succeeded: succeeds, at: now)
            return true
        }
    }

    @Test("a source has its tries, earns more with time, and success costs none")
    func perSource() {
        let asked = Asked(start)
        for _ in 0..<200 { #expect(asked.tries("a", start, succeeds: true)) }
        for _ in 0..<bounds.failuresPerSourceMax { #expect(asked.tries("a", start)) }
        #expect(!asked.tries("a", start))
        let later = start + bounds.failurePerSourceRefill
        #expect(asked.tries("a", later))
        #expect(!asked.tries("a", later))
        #expect(asked.admit("b", later) == .admitted, "another is not held up")
    }

    @Test("so many at once, of one source and in all; a place comes back")
    func active() {
        let asked = Asked(start)
        for _ in 0..<bounds.placesPerSourceMax { #expect(asked.admit("a", start) == .admitted) }
        #expect(asked.admit("a", start) == .refused)
        for number in bounds.placesPerSourceMax..<bounds.placesMax {
            #expect(asked.admit("\(number)", start) == .admitted)
        }
        #expect(asked.admit("z", start) == .refused)
        asked.register.ended(1, succeeded: false, at: start)
        asked.register.ended(1, succeeded: false, at: start)
        #expect(asked.admit("z", start) == .admitted)
        #expect(asked.admit("y", start) == .refused)
    }

    @Test("with no place left, who has sent no request for long gives way to the next, the oldest first")
    func patience() {
        let asked = Asked(start)
        for number in 0..<bounds.placesMax {
            #expect(asked.admit("\(number / bounds.placesPerSourceMax)", start) == .admitted)
        }
        asked.register.spoke(1)
        let later = start + bounds.silence
        #expect(asked.admit("z", later - .nanoseconds(1)) == .refused)
        #expect(asked.admit("z", later) == .admittedInPlace(of: 2))
        #expect(asked.admit("y", later) == .admittedInPlace(of: 3))
        // Its own number is full: one of its own.
        #expect(asked.admit("3", later) == .admittedInPlace(of: 13))
        #expect(asked.register.underWay == bounds.placesMax)
        // Too late for a right proof: the place is another's.
        asked.register.ended(2, succeeded: true, at: later)
        #expect(asked.register.underWay == bounds.placesMax)
        for id in 1...asked.last { asked.register.spoke(id) }
        #expect(asked.admit("x", later + .hours(1)) == .refused)
    }

    @Test("a hundred sources that fail as often as they may, and hold what they get, keep nobody new out")
    func newcomers() {
        let asked = Asked(start)
        var (now, failures, refused) = (start, 0, 0)
        for step in 1...6_000 {
            now = start + .milliseconds(Int64(step) * 50)
            for number in 0..<100 where asked.admit("\(number)", now) != .refused { failures += 1 }
            // Each ten seconds, when they have all that they can have: until one is let in.
            guard step.isMultiple(of: 200) else { continue }
            if !asked.tries("new-\(step)", now, succeeds: true) { refused += 1 }
        }
        #expect(refused <= 1, "in the first burst alone")
        #expect(failures <= bounds.failuresMax + 300 * 8)
    }

    @Test("the table of sources is bounded, and the whole rate too, however many sources there are")
    func bounded() {
        let asked = Asked(start)
        var admitted = 0
        var now = start
        // Ten thousand sources in a hundred seconds.
        for number in 0..<10_000 {
            if asked.tries("\(number)", now) { admitted += 1 }
            now = now + .milliseconds(10)
            #expect(asked.register.sourceCount <= bounds.sourcesMax)
        }
        #expect(admitted <= bounds.failuresMax + 801 && admitted > 100)
    }
}
