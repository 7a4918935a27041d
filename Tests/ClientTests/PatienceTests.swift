import Testing

@testable import Client

@Suite("How long an answer is waited for")
struct PatienceTests {
    @Test("a write's answer may take longer the larger its body was, to a bound; a read's may not")
    func writing() {
        let mebibyte: UInt64 = 1 << 20
        let write = ClientTimeouts(idle: .seconds(120)).writing
        #expect(write.silence(afterSending: 0) == .seconds(120))
        #expect(write.silence(afterSending: mebibyte - 1) == .seconds(120))
        #expect(write.silence(afterSending: 100 * mebibyte) == .seconds(320))
        // An agent asked forwards to the owner: each has 10 s and a second a MiB.
        #expect((write.silence(afterSending: 1024 * mebibyte) ?? .zero) >= .seconds(2 * (10 + 1024)))
        #expect(write.silence(afterSending: .max) == .seconds(120 + 7200))
        #expect(ClientTimeouts(idle: .seconds(5)).silence(afterSending: .max) == .seconds(5))
        #expect(ClientTimeouts(idle: nil).writing.silence(afterSending: mebibyte) == nil)
        let smallest = ClientTimeouts(idle: .seconds(1), idlePerMebibyte: Duration(attoseconds: 1))
        #expect((smallest.silence(afterSending: .max) ?? .zero) >= .seconds(1))
    }
}
