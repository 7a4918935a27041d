import NIOCore
import NIOEmbedded
import Testing

@testable import Agent

@Suite("Who may begin a handshake")
struct HandshakeRegisterTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func bounds(_ change: (inout HandshakeRegister.Bounds) -> Void = { _ in }) -> HandshakeRegister.Bounds {
        var bounds = HandshakeRegister.Bounds()
        change(&bounds)
        return bounds
    }

    @Test("strangers have a number of places, each address and all of them; who has proven a certificate has others")
    func places() {
        let bounds = bounds { $0.failuresMax = 1_000 }
        var register = HandshakeRegister(bounds: bounds, now: start)
        register.welcome("member", at: start)
        var id: UInt64 = 0
        func begin(_ source: String) -> HandshakeRegister.Decision {
            id += 1
            let decision = register.begin(id, from: source, at: start) { true }
            register.spoke(id, from: source)
            return decision
        }
        for _ in 0..<bounds.strangersPerSourceMax { #expect(begin("one") == .admitted) }
        #expect(begin("one") == .refused)
        for _ in 0..<(bounds.strangersMax - bounds.strangersPerSourceMax) { #expect(begin("two") == .admitted) }
        #expect(begin("three") == .refused)
        #expect(register.strangersUnderWay == bounds.strangersMax)
        for _ in 0..<bounds.knownPerSourceMax { #expect(begin("member") == .admitted) }
        #expect(begin("member") == .refused)
        #expect(register.knownUnderWay == bounds.knownPerSourceMax)
        // One of a stranger's ends: its place is free.
        #expect(register.ended(1, from: "one", .enrolling, at: start) == true)
        #expect(register.ended(1, from: "one", .enrolling, at: start) == false)
        #expect(begin("three") == .admitted)
    }

    @Test("failures cost: an address runs out of them, then all strangers do, and each earns them again")
    func failures() {
        let bounds = bounds()
        var register = HandshakeRegister(bounds: bounds, now: start)
        register.welcome("member", at: start)
        var id: UInt64 = 0
        func tries(_ source: String, at now: NIODeadline, _ outcome: HandshakeRegister.Outcome = .failed) -> Bool {
            id += 1
            guard register.begin(id, from: source, at: now) == .admitted else { return false }
            return register.ended(id, from: source, outcome, at: now)
        }
        // Who succeeds may go on for ever.
        for _ in 0..<1_000 { #expect(tries("honest", at: start, .enrolling)) }
        for _ in 0..<bounds.failuresPerSourceMax { #expect(tries("one", at: start)) }
        #expect(!tries("one", at: start))
        #expect(tries("honest", at: start, .enrolling))
        // One had its first of the newcomers' half, and the rest of everybody's: one is left there, and two's own first.
        #expect(tries("two", at: start))
        #expect(tries("two", at: start))
        #expect(!tries("two", at: start))
        // Who has not failed has half of all for itself.
        for number in 0..<(bounds.failuresMax / 2 - 2) { #expect(tries("new-\(number)", at: start)) }
        #expect(!tries("three", at: start))
        #expect(tries("member", at: start))
        #expect(!tries("one", at: start + bounds.failureRefill * 2))
        #expect(tries("one", at: start + bounds.failurePerSourceRefill))
        #expect(!tries("one", at: start + bounds.failurePerSourceRefill))
    }

    @Test("a crowd of addresses that fail as often as they may keeps no new one out", arguments: [6, 250])
    func newcomers(crowd: Int) {
        let bounds = bounds()
        var register = HandshakeRegister(bounds: bounds, now: start)
        var (id, failures, refused, fresh) = (UInt64(0), 0, 0, 0)
        func tries(_ source: String, at now: NIODeadline, _ outcome: HandshakeRegister.Outcome) -> Bool {
            id += 1
            guard register.begin(id, from: source, at: now) != .refused else { return false }
            return register.ended(id, from: source, outcome, at: now)
        }
        // Five minutes, in steps that leave each of them as many failures as it has.
        for step in 1...6_000 {
            let now = start + bounds.failurePerSourceRefill * step
            for number in 0..<crowd {
                while tries("crowd-\(number)", at: now, .failed) { failures += 1 }
            }
            guard step.isMultiple(of: 20) else { continue }
            fresh += 1
            if !tries("new-\(step)", at: now, .enrolling) { refused += 1 }
        }
        #expect(failures <= bounds.failuresMax + 300 * 100)
        #expect(failures > 300 * 45, "they are as many as can be")
        // 250 that come at once take the half of the newcomers, once in the time that failures are remembered.
        #expect(refused <= (crowd > 128 ? fresh / 10 : 0), "\(refused) of \(fresh)")
    }

    @Test("thousands of addresses that never failed are bounded like all strangers, and forgotten")
    func freshCrowd() {
        let bounds = bounds()
        var register = HandshakeRegister(bounds: bounds, now: start)
        var failures = 0
        for number in 0..<20_000 as Range<UInt64> {
            let now = start + .milliseconds(Int64(number))
            guard register.begin(number, from: "fresh-\(number)", at: now) != .refused else { continue }
            register.ended(number, from: "fresh-\(number)", .failed, at: now)
            failures += 1
            #expect(register.sourceCount <= bounds.sourcesMax)
        }
        #expect(failures <= bounds.failuresMax + 20 * 100 + 1)
    }

    @Test("a place that is given away is a failure of the address that had it")
    func givenAway() {
        let bounds = bounds { ($0.strangersMax, $0.failuresMax, $0.failureRefill) = (1, 4, .hours(1)) }
        var register = HandshakeRegister(bounds: bounds, now: start)
        #expect(register.begin(1, from: "one", at: start) == .admitted)
        #expect(register.begin(2, from: "two", at: start + bounds.patience) == .admittedInPlace(of: 1))
        let later = start + bounds.patience * 2
        // The newcomers' half is empty: these are of the other.
        #expect(register.begin(3, from: "one", at: later) == .admittedInPlace(of: 2))
        #expect(register.ended(3, from: "one", .enrolling, at: later) == true)
        #expect(register.begin(4, from: "three", at: later) == .admitted)
    }

    @Test("with no place left, who has kept silent for long gives way to the next, the oldest first")
    func patience() {
        let bounds = bounds { ($0.strangersMax, $0.strangersPerSourceMax, $0.knownPerSourceMax) = (4, 3, 2) }
        var register = HandshakeRegister(bounds: bounds, now: start)
        func speak(_ ids: ClosedRange<UInt64>, from source: String) {
            for id in ids { register.spoke(id, from: source) }
        }
        for id in 1...3 as ClosedRange<UInt64> { #expect(register.begin(id, from: "one", at: start) == .admitted) }
        speak(1...3, from: "one")
        #expect(register.begin(4, from: "one", at: start) == .refused)
        #expect(register.begin(4, from: "one", at: start + bounds.silence) == .refused)
        let later = start + bounds.patience
        #expect(register.begin(5, from: "one", at: later) == .admittedInPlace(of: 1))
        #expect(register.ended(1, from: "one", .proven, at: later) == false)
        #expect(register.begin(6, from: "two", at: later) == .admitted)
        #expect(register.begin(7, from: "three", at: later) == .admittedInPlace(of: 2))
        #expect(register.strangersUnderWay == 4)
        register.welcome("member", at: later)
        for id in 8...9 as ClosedRange<UInt64> { #expect(register.begin(id, from: "member", at: later) == .admitted) }
        speak(8...9, from: "member")
        #expect(register.begin(10, from: "member", at: later + bounds.silence) == .refused)
        #expect(register.begin(11, from: "member", at: later + bounds.patience) == .admittedInPlace(of: 8))
    }

    @Test("who has not even sent a ClientHello gives way first, and soon")
    func silence() {
        let bounds = bounds { ($0.strangersPerSourceMax, $0.knownPerSourceMax) = (3, 3) }
        for isKnown in [false, true] {
            var register = HandshakeRegister(bounds: bounds, now: start)
            if isKnown { register.welcome("host", at: start) }
            for id in 1...3 as ClosedRange<UInt64> { #expect(register.begin(id, from: "host", at: start) == .admitted) }
            register.spoke(1, from: "host")
            #expect(register.begin(4, from: "host", at: start + bounds.silence - .nanoseconds(1)) == .refused)
            #expect(register.begin(4, from: "host", at: start + bounds.silence) == .admittedInPlace(of: 2))
            #expect(register.begin(5, from: "host", at: start + bounds.silence) == .admittedInPlace(of: 3))
            #expect(register.begin(6, from: "host", at: start + bounds.silence) == .refused)
            #expect(register.strangersUnderWay + register.knownUnderWay == 3)
            #expect(register.ended(1, from: "host", .proven, at: start + bounds.silence) == true)
        }
    }

    @Test("who has spoken when it is accepted goes before all that have not, and those are few of a known address")
    func spoken() {
        let bounds = bounds {
            ($0.strangersPerSourceMax, $0.knownPerSourceMax, $0.knownSilentPerSourceMax) = (3, 5, 3)
        }
        for isKnown in [false, true] {
            var register = HandshakeRegister(bounds: bounds, now: start)
            if isKnown { register.welcome("host", at: start) }
            func begin(_ id: UInt64, hasSpoken: Bool) -> HandshakeRegister.Decision {
                register.begin(id, from: "host", at: start) { hasSpoken }
            }
            for id in 1...3 as ClosedRange<UInt64> { #expect(begin(id, hasSpoken: false) == .admitted) }
            #expect(begin(4, hasSpoken: false) == .refused)
            if isKnown { for id in 4...5 as ClosedRange<UInt64> { #expect(begin(id, hasSpoken: true) == .admitted) } }
            register.spoke(1, from: "host")
            #expect(begin(6, hasSpoken: true) == .admittedInPlace(of: 2))
            #expect(begin(7, hasSpoken: true) == .admittedInPlace(of: 3))
        }
    }

    @Test("an address is known from its first proof until an hour after its last connection")
    func known() {
        let bounds = bounds { $0.strangersPerSourceMax = 1 }
        var register = HandshakeRegister(bounds: bounds, now: start)
        func isKnown(_ now: NIODeadline) -> Bool {
            let decisions = (100...101 as ClosedRange<UInt64>).map { register.begin($0, from: "host", at: now) }
            for id in 100...101 as ClosedRange<UInt64> { register.ended(id, from: "host", .enrolling, at: now) }
            return decisions == [.admitted, .admitted]
        }
        #expect(!isKnown(start))
        #expect(register.begin(1, from: "host", at: start) == .admitted)
        #expect(register.ended(1, from: "host", .proven, at: start) == true)
        let closing = start + .hours(5)
        #expect(isKnown(closing))
        register.closed(provenFrom: "host", at: closing)
        #expect(isKnown(closing + bounds.rememberedFor - .seconds(1)))
        #expect(!isKnown(closing + bounds.rememberedFor))
    }

    @Test("the table of addresses is bounded, and full of others it still takes new ones")
    func bounded() {
        let bounds = bounds { $0.sourcesMax = 50 }
        var register = HandshakeRegister(bounds: bounds, now: start)
        var now = start
        for number in 0..<500 as Range<UInt64> {
            now = now + .seconds(2)
            #expect(register.begin(number, from: "host-\(number)", at: now) == .admitted)
            register.ended(number, from: "host-\(number)", number.isMultiple(of: 2) ? .failed : .proven, at: now)
            if !number.isMultiple(of: 2) { register.closed(provenFrom: "host-\(number)", at: now) }
            // Of strangers, and of those who have proven something.
            #expect(register.sourceCount <= 100)
        }
    }

    @Test(
        "handshakes have turns: one at a time, each address its own, there the newest and the oldest in turn; no more wait than may"
    )
    func turns() {
        let loop = EmbeddedEventLoop()
        let pace = HandshakePace(loop: loop)
        var order: [String] = []
        for number in 1...5 { pace.turn(of: "crowd") { order.append("crowd \(number)") } }
        pace.turn(of: "other") { order.append("other") }
        #expect(order == ["crowd 1"])
        #expect(pace.waitingCount == 5)
        loop.advanceTime(by: .seconds(5))
        #expect(order == ["crowd 1", "crowd 5", "other", "crowd 4", "crowd 2", "crowd 3"])
        #expect(pace.waitingCount == 0)
        for _ in 0...(HandshakePace.waitingPerSourceMax + 5) { pace.turn(of: "crowd") {} }
        #expect(pace.waitingCount == HandshakePace.waitingPerSourceMax)
    }
}
