import NIOCore
import NIOEmbedded
import Testing
import Vocabulary

@testable import TLS

/// Law 8 on a connection that outlives the certificate it was opened with.
struct ExpiryTests {
    private final class Clock {
        var now: Int64
        init(_ now: Int64) { self.now = now }
    }

    private func connect(_ simba: TLSContext, clock: Clock) throws -> EmbeddedPair {
        let pair = try EmbeddedPair(client: simba, server: simba)
        pair.serverTLS.wallSeconds = { clock.now }
        try pair.carry()
        pair.client.read()
        pair.server.read()
        return pair
    }

    private func wait(_ seconds: Int64, _ pair: EmbeddedPair, _ clock: Clock) throws {
        clock.now += seconds
        pair.server.embeddedEventLoop.advanceTime(by: .seconds(seconds))
        try pair.carry()
    }

    @Test("a connection ends with the peer's certificate, and says which and when")
    func expires() throws {
        let simba = try TestAuthority().context("roost://pride/node/simba")
        let end = simba.credentials.notAfter
        let clock = Clock(end - 1_500)
        let pair = try connect(simba, clock: clock)
        for _ in 0..<3 {
            try wait(499, pair, clock)
            pair.client.writeAndFlush(ByteBuffer(string: "x"), promise: nil)
            try pair.carry()
        }
        #expect(pair.serverEnd.record.receivedBytes == 3 && pair.server.isActive)
        try wait(3, pair, clock)
        #expect(
            pair.serverEnd.record.tlsErrors
                == [.refusedPeer(.expired(at: end), certificate: "roost://pride/node/simba")])
        #expect(!pair.server.isActive)
        pair.end()
    }

    @Test("a host that slept, or whose clock was set, notices at the next look")
    func jump() throws {
        let simba = try TestAuthority().context("roost://pride/node/simba")
        let clock = Clock(simba.credentials.notAfter - 80_000)
        let pair = try connect(simba, clock: clock)
        clock.now += 100_000
        try wait(TLSHandler.expiryCheckMaxSeconds, pair, clock)
        #expect(pair.serverEnd.record.tlsErrors.count == 1)
        #expect(!pair.server.isActive)
        pair.end()
    }

    @Test("the CA's end is the end of what it issued")
    func authority() throws {
        let authority = try TestAuthority(days: 1)
        let folder = try authority.issue(["roost://pride/node/simba"], until: 5 * 86_400)
        let simba = try TLSContext(credentials: Credentials(folder: folder))
        let clock = Clock(simba.credentials.notAfter - 4 * 86_400 - 300)
        let pair = try connect(simba, clock: clock)
        #expect(pair.server.isActive)
        try wait(600, pair, clock)
        guard
            case .refusedPeer(.authorityExpired(_, let at), "roost://pride/node/simba")? =
                pair.serverEnd.record.tlsErrors.first
        else {
            Issue.record("\(pair.serverEnd.record.errors)")
            return
        }
        #expect(abs(at - (simba.credentials.notAfter - 4 * 86_400)) < 60)
        pair.end()
    }
}
