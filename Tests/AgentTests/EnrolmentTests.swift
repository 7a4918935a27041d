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

    private func serve(issuer: Bool = true) async throws -> RunningServer {
        let credentials = CurrentCredentials(try bed.identity(.node, "simba-\(UUID().uuidString.lowercased())"))
        var listeners = APIServer.Listeners(tls: (try TestBed.loopback(), credentials))
        if issuer {
            listeners.enrolment = EnrolmentDesk(
                office: office, log: quietLogger(), standing: { _ in .init(isMember: false, isRevoked: false) },
                addresses: { [] })
        }
        return RunningServer(
            try await APIServer.bind(
                listeners, node: NodeName("simba"), router: testRouter(), logger: quietLogger()))
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
        #expect(refused >= EnrolmentThrottle.burstPerSource && refused <= EnrolmentThrottle.burstPerSource + 4)
        #expect(busy + refused == 20)
    }
}

@Suite("Who may try to enrol")
struct EnrolmentThrottleTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    @Test("a source has its tries, earns more with time, and success costs none")
    func perSource() {
        var throttle = EnrolmentThrottle(now: start)
        func attempt(_ now: NIODeadline, succeeds: Bool) -> Bool {
            guard throttle.admit("a", at: now) else { return false }
            throttle.leave("a", succeeded: succeeds)
            return true
        }
        for _ in 0..<200 { #expect(attempt(start, succeeds: true)) }
        for _ in 0..<EnrolmentThrottle.burstPerSource { #expect(attempt(start, succeeds: false)) }
        #expect(!attempt(start, succeeds: false))
        let later = start + EnrolmentThrottle.refillPerSource
        #expect(attempt(later, succeeds: false))
        #expect(!attempt(later, succeeds: false))
        let another = throttle.admit("b", at: later)
        #expect(another, "another is not held up")
    }

    @Test("so many at once, of one source and in all; a place comes back")
    func active() {
        var throttle = EnrolmentThrottle(now: start)
        for _ in 0..<EnrolmentThrottle.activePerSourceMax {
            let isAdmitted = throttle.admit("a", at: start)
            #expect(isAdmitted)
        }
        let oneMore = throttle.admit("a", at: start)
        #expect(!oneMore)
        for number in EnrolmentThrottle.activePerSourceMax..<EnrolmentThrottle.activeMax {
            let isAdmitted = throttle.admit("\(number)", at: start)
            #expect(isAdmitted)
        }
        let past = throttle.admit("z", at: start)
        #expect(!past)
        throttle.leave("a", succeeded: false)
        let later = throttle.admit("z", at: start)
        #expect(later)
    }

    @Test("the table of sources is bounded, and the whole rate too, however many sources there are")
    func bounded() {
        var throttle = EnrolmentThrottle(now: start)
        var admitted = 0
        var now = start
        // Ten thousand sources in a hundred seconds.
        for number in 0..<10_000 {
            if throttle.admit("\(number)", at: now) {
                admitted += 1
                throttle.leave("\(number)", succeeded: false)
            }
            now = now + .milliseconds(10)
            #expect(throttle.sourceCount <= EnrolmentThrottle.sourcesMax)
        }
        #expect(admitted <= EnrolmentThrottle.burst + 801 && admitted > 100)
    }
}
