import Client
import Gossip
import NIOConcurrencyHelpers
import SWIM
import TLS
import Testing
import Vocabulary

@testable import Agent

@Suite("What is believed of what members tell of each other", .timeLimit(.minutes(1)))
struct ClaimVerifierTests {
    let bed: TestBed
    let me: CurrentCredentials
    let simba: Credentials
    let book: CertificateBook
    let name: NodeName
    let teller: NodeName

    private static let wall: UInt64 = 1_795_000_000_000

    init() throws {
        bed = try TestBed()
        me = CurrentCredentials(try bed.identity(.node, "me"))
        simba = try bed.identity(.node, "simba").credentials
        book = CertificateBook(me: try NodeName("me"), credentials: me, log: quietLogger())
        book.learn([CertificateChain(simba.chain)])
        name = try NodeName("simba")
        teller = try NodeName("mkango")
    }

    private func verifier(
        wall: UInt64? = nil, clock: @escaping @Sendable () -> Instant = { NodeDriver.now }
    ) throws -> ClaimVerifier {
        let now = wall ?? WallClock.milliseconds
        return ClaimVerifier(
            me: try NodeName("me"), cluster: try ClusterName("savanna"), book: book, log: quietLogger(),
            wallMilliseconds: { now }, clock: clock)
    }

    private func claim(
        _ name: String = "simba", epoch: UInt64 = 1_000, incarnation: UInt32 = 5, status: Status = .alive,
        port: UInt16 = 7667
    ) throws -> Claim {
        Claim(
            name: try NodeName(name), endpoint: try TestBed.loopback(port), epoch: epoch,
            incarnation: Incarnation(incarnation), status: status, metadata: try Metadata(zone: "a", version: "1"))
    }

    /// The reason for which one claim is refused; `nil` when it is admitted.
    private func refusal(
        _ claim: Claim, known: Claim? = nil, by verifier: ClaimVerifier? = nil
    ) throws -> ClaimRefusal? {
        let verifier = try verifier ?? self.verifier()
        let before = verifier.counts.refused
        let known = known.map { [$0.name: $0] } ?? [:]
        let judgement = verifier.judge([claim], from: teller, known: known)
        let after = verifier.counts.refused
        let refused = ClaimRefusal.allCases.filter { after[$0] != before[$0] }
        #expect((judgement.admitted.count == 1) == refused.isEmpty)
        return refused.first
    }

    @Test("a member's own signature is believed, and not a field of it can be another")
    func tampering() throws {
        let good = try simba.signed(claim())
        #expect(try refusal(good) == nil)
        let bent = [
            good.bent(endpoint: try TestBed.loopback(7668)),
            good.bent(endpoint: try Endpoint(host: "10.0.0.9", port: 7667)),
            good.bent(epoch: 1_001), good.bent(incarnation: 6), good.bent(status: .draining),
            good.bent(status: .restarting), good.bent(status: .left),
            good.bent(metadata: try Metadata(zone: "b", version: "1")),
            good.bent(metadata: try Metadata(zone: "a", weight: 9, version: "1")),
            good.bent(metadata: try Metadata(zone: "a", version: "2")),
            good.bent(metadata: good.metadata.tagged(TagsDigest(bytes: 0...15))),
        ]
        for claim in bent { #expect(try refusal(claim) == .forged, "\(claim)") }
        let tagged = try simba.signed(claim().bent(metadata: good.metadata.tagged(TagsDigest(bytes: 0...15))))
        #expect(try refusal(tagged) == nil)
        for tags in [nil, TagsDigest(bytes: 1...16)] {
            #expect(try refusal(tagged.bent(metadata: good.metadata.tagged(tags))) == .forged)
        }
        #expect(try refusal(claim()) == .unsigned)
        #expect(try refusal(simba.signed(claim(), in: "desert")) == .forged, "made for another cluster")
        #expect(try refusal(good.bent(name: teller)) == .unknownCertificate)
    }

    @Test("others can accuse a member, with its own statement, and can not make it leave")
    func accusations() throws {
        let good = try simba.signed(claim())
        for status in [Status.suspect, .crashed] {
            let accusation = good.bent(status: status, accuser: teller)
            #expect(try refusal(accusation) == nil)
            #expect(try refusal(accusation, known: good) == nil)
            #expect(try refusal(accusation.bent(endpoint: TestBed.loopback(1)), known: good) == .forged)
        }
        #expect(try refusal(good.bent(status: .left, accuser: teller), known: good) == .foreignFarewell)
        #expect(try refusal(good.bent(status: .left), known: good) == .forged)
        #expect(try refusal(simba.signed(claim(incarnation: 6, status: .left)), known: good) == nil)
    }

    @Test("another node's key speaks for nobody but that node, and a certificate past its end for nobody")
    func otherKeys() throws {
        let other = try bed.identity(.node, "mkango").credentials
        #expect(try refusal(other.signed(claim())) == .unknownCertificate)
        book.learn([CertificateChain(other.chain)])
        #expect(try refusal(other.signed(claim())) == .unknownCertificate, "known, and of another name")
        let good = try simba.signed(claim())
        let end = UInt64(simba.notAfter) * 1000
        #expect(try refusal(good, by: verifier(wall: end + 2_000)) == .expiredCertificate)
        #expect(try refusal(good, by: verifier(wall: UInt64(simba.notBefore) * 1000 - 1_000)) == .expiredCertificate)
        // It was good when it came, and others may still accuse the member.
        let accusation = good.bent(status: .suspect, accuser: teller)
        #expect(try refusal(accusation, known: good, by: verifier(wall: end + 2_000)) == nil)
    }

    @Test("an old farewell, told again, changes nothing: it is behind what is known")
    func replay() throws {
        let farewell = try simba.signed(claim(epoch: 900, incarnation: 9, status: .left))
        let present = try simba.signed(claim())
        let verifier = try verifier()
        let judgement = verifier.judge(
            [farewell], from: teller, known: [name: present])
        #expect(judgement.admitted.isEmpty && judgement.contested.isEmpty)
        #expect(verifier.counts.refused.isEmpty, "nothing to worry about: news of before may be slow")
        #expect(verifier.counts.verified == 0, "and it costs nothing")
    }

    @Test("a statement is verified once; what repeats it is compared with the table")
    func once() throws {
        let good = try simba.signed(claim())
        let verifier = try verifier()
        #expect(try refusal(good, by: verifier) == nil)
        #expect(verifier.counts.verified == 1)
        for _ in 0..<100 {
            #expect(try refusal(good, known: good, by: verifier) == nil)
            #expect(try refusal(good.bent(status: .suspect, accuser: teller), known: good, by: verifier) == nil)
        }
        #expect(verifier.counts.verified == 1)
    }

    @Test("an incarnation may rise by 65,536 in one boot, and a boot lie a day ahead")
    func bounds() throws {
        let known = try simba.signed(claim())
        #expect(try refusal(simba.signed(claim(incarnation: 5 + 65_536)), known: known) == nil)
        #expect(try refusal(simba.signed(claim(incarnation: 6 + 65_536)), known: known) == .incarnationJump)
        #expect(try refusal(simba.signed(claim(incarnation: .max)), known: known) == .incarnationJump)
        let far = try simba.signed(claim(incarnation: 1_000_000))
        func isBelieved(_ known: Claim, from teller: NodeName, isProven: Bool) throws -> Bool {
            let known = [name: known]
            return try !verifier().judge([far], from: teller, isProven: isProven, known: known).admitted.isEmpty
        }
        let crashed = known.bent(status: .crashed, accuser: teller)
        #expect(try isBelieved(crashed, from: name, isProven: true), "its own word after a long partition")
        #expect(try !isBelieved(crashed, from: name, isProven: false))
        #expect(try !isBelieved(crashed, from: teller, isProven: true))
        #expect(try !isBelieved(known, from: name, isProven: true), "it is here, and could have counted up to it")
        let high = try simba.signed(claim(incarnation: .max - 10))
        #expect(try refusal(simba.signed(claim(incarnation: .max)), known: high) == nil, "no overflow")
        let wall = UInt64(simba.notBefore) * 1000 + 3_600_000
        let day = ClaimVerifier.epochAheadMax
        #expect(try refusal(simba.signed(claim(epoch: wall + day)), by: verifier(wall: wall)) == nil)
        #expect(try refusal(simba.signed(claim(epoch: wall + day + 1)), by: verifier(wall: wall)) == .epochAhead)
        #expect(try refusal(simba.signed(claim(epoch: .max)), by: verifier(wall: wall)) == .epochAhead)
    }

    @Test("of this node others may tell accusations, nothing ahead of it, and another life only with its certificate")
    func oneself() throws {
        let own = try claim("me")
        let accused = own.bent(status: .suspect, accuser: teller)
        #expect(try refusal(accused, known: own) == nil)
        #expect(try refusal(own.bent(status: .left), known: own) == .unsigned, "this node itself said no such thing")
        #expect(try refusal(own.bent(incarnation: 6, status: .suspect, accuser: teller), known: own) == .ownIncarnation)
        #expect(try refusal(own.bent(incarnation: .max), known: own) == .ownIncarnation)
        #expect(try refusal(own.bent(epoch: 999), known: own) == nil, "answered by the present life")
        #expect(try refusal(own.bent(epoch: 1_001), known: own) == .unsigned)
        #expect(try refusal(simba.signed(own.bent(epoch: 1_001)), known: own) == .unknownCertificate)
        #expect(try refusal(me.context.credentials.signed(own.bent(epoch: 1_001)), known: own) == nil)
    }

    @Test("another address for a present name is contested; for a departed one, or in the same boot, it is news")
    func contested() throws {
        let known = try simba.signed(claim())
        func judge(_ claim: Claim, _ known: Claim) throws -> ClaimVerifier.Judgement {
            try verifier().judge([claim], from: teller, known: [name: known])
        }
        let moved = try simba.signed(claim(epoch: 1_001, port: 1))
        #expect(try judge(moved, known).contested.count == 1)
        #expect(try judge(moved, known.bent(status: .suspect, accuser: teller)).contested.count == 1)
        #expect(try judge(moved, known.bent(status: .crashed, accuser: teller)).admitted.count == 1)
        #expect(try judge(moved, simba.signed(claim(status: .left))).admitted.count == 1)
        #expect(
            try judge(moved, simba.signed(claim(status: .restarting))).contested.count == 1, "it may be there still")
        #expect(try judge(simba.signed(claim(epoch: 1_001)), known).admitted.count == 1, "the same place")
        #expect(try judge(simba.signed(claim(incarnation: 6, port: 1)), known).admitted.count == 1, "the same boot")
        let gone = try simba.signed(claim(epoch: 1_001, status: .left, port: 1))
        #expect(try judge(gone, known).contested.count == 1, "a second host's farewell is not the first one's")
    }

    @Test("who tells many forged claims is not verified any longer, for a while; others are")
    func flood() throws {
        let now = NIOLockedValueBox(Instant(nanoseconds: 0))
        let verifier = try verifier(clock: { now.withLockedValue { $0 } })
        let wrongMax = UInt64(VerificationBudget.wrongMax)
        let good = try simba.signed(claim())
        for incarnation in UInt32(0)..<1_000 {
            _ = verifier.judge([good.bent(incarnation: 10 + incarnation)], from: teller, known: [:])
        }
        #expect(verifier.counts.refused[.forged] == wrongMax)
        #expect(verifier.counts.refused[.tooMany] == 1_000 - wrongMax)
        #expect(verifier.judge([good], from: teller, known: [:]).admitted.isEmpty)
        #expect(verifier.judge([good], from: name, known: [:]).admitted.count == 1)
        #expect(
            verifier.judge([good], from: teller, isProven: true, known: [:]).admitted.count == 1,
            "a datagram's false name takes nothing from the one who proves it")
        now.withLockedValue { $0 = Instant(nanoseconds: 10_000_000_000) }
        #expect(verifier.judge([good], from: teller, known: [:]).admitted.count == 1)
    }

    @Test("however many names a flood has, and right as its signatures may be, there is a bound in all")
    func floodInAll() throws {
        let now = Instant(nanoseconds: 0)
        var budget = VerificationBudget(at: now)
        var taken = 0
        for index in 0..<10_000 {
            let teller = VerificationBudget.Teller(name: try NodeName("n\(index)"), isProven: false)
            if budget.take(teller, at: now) { taken += 1 }
            budget.wasWrong(teller, at: now)
        }
        #expect(taken == Int(VerificationBudget.datagramsMax))
        let proven = VerificationBudget.Teller(name: name, isProven: true)
        let isTaken = budget.take(proven, at: now)
        #expect(isTaken)
        let isTakenLater = budget.take(.init(name: name, isProven: false), at: now + .seconds(1))
        #expect(isTakenLater)
    }

    @Test("verifying is cheap enough for the loop of the datagrams, and repeating costs next to nothing")
    func cost() throws {
        let verifier = try verifier()
        let good = try (UInt32(0)..<200).map { try simba.signed(claim(incarnation: $0)) }
        let clock = ContinuousClock()
        let verifying = clock.measure {
            for claim in good { _ = verifier.judge([claim], from: teller, known: [:]) }
        }
        #expect(verifier.counts.verified == 200)
        let known = [name: good[0]]
        let repeating = clock.measure {
            for _ in 0..<2_000 { _ = verifier.judge([good[0]], from: teller, known: known) }
        }
        let signing = try clock.measure { for _ in 0..<200 { _ = try simba.sign([1, 2, 3]) } }
        print(
            "claims: verify \(verifying / 200), repeat \(repeating / 2_000), sign \(signing / 200), "
                + "bytes \(good[0].wireSize - (try claim().wireSize))")
        #expect(verifying / 200 < .milliseconds(10) && repeating / 2_000 < .milliseconds(1))
    }
}

@Suite("Certificates of members", .timeLimit(.minutes(1)))
struct CertificateBookTests {
    let bed: TestBed
    let me: CurrentCredentials
    let name: NodeName

    init() throws {
        bed = try TestBed()
        me = CurrentCredentials(try bed.identity(.node, "me"))
        name = try NodeName("me")
    }

    private func book() -> CertificateBook { CertificateBook(me: name, credentials: me, log: quietLogger()) }

    @Test("a node knows its own, takes those of the CA once, and none of another CA or another role")
    func learning() throws {
        let book = book()
        #expect(book.knows(name))
        let simba = CertificateChain(try bed.identity(.node, "simba").credentials.chain)
        #expect(book.learn([simba]) == [try NodeName("simba")])
        #expect(book.learn([simba]).isEmpty)
        let amina = CertificateChain(try bed.identity(.admin, "amina").credentials.chain)
        let stranger = CertificateChain(try TestBed().identity(.node, "chui").credentials.chain)
        #expect(book.learn([amina, stranger, CertificateChain([]), CertificateChain([[1, 2]])]).isEmpty)
        #expect(book.chains(of: [try NodeName("simba"), name, try NodeName("chui")]).count == 2)
    }

    @Test("what is handed over is what is understood, and a flood of nonsense ends the listening")
    func wire() throws {
        let simba = CertificateChain(try bed.identity(.node, "simba").credentials.chain)
        let bytes = try API.JSON.encode(CertificatesReply(certificates: [simba]))
        let read = try API.JSON.decode(CertificatesReply.self, from: bytes)
        #expect(read.certificates == [simba])
        let nonsense = (0..<100).map { CertificateChain([[UInt8]](repeating: [UInt8($0)], count: 1)) }
        #expect(book().learn(nonsense + [simba]).isEmpty)
    }

    @Test("after a change of the CA only those count that the new one stands for")
    func otherAuthority() throws {
        let book = book()
        book.learn([CertificateChain(try bed.identity(.node, "simba").credentials.chain)])
        let other = try TestBed()
        me.replace(with: try other.identity(.node, "me"))
        book.readAgain()
        #expect(!book.knows(try NodeName("simba")))
        #expect(book.chains(of: [name]).map(\.der) == [me.context.credentials.chain])
    }
}

@Suite("Asking for certificates", .timeLimit(.minutes(1)))
struct CertificateFetcherTests {
    @Test("what was told waits for its certificate; the same is asked once, and a flood of what is made up hardly ever")
    func fetching() async throws {
        let bed = try TestBed()
        let me = CurrentCredentials(try bed.identity(.node, "me"))
        let simba = try bed.identity(.node, "simba").credentials
        let book = CertificateBook(me: try NodeName("me"), credentials: me, log: quietLogger())
        let teller = try NodeName("mkango")
        let source = try TestBed.loopback(1)
        let asked = NIOLockedValueBox<[[NodeName]]>([])
        let delivered = NIOLockedValueBox<[Claim]>([])
        let fetcher = CertificateFetcher(book: book, log: quietLogger()) { names, _, _ in
            asked.withLockedValue { $0.append(names) }
            return [CertificateChain(simba.chain)]
        }
        func claim(_ name: String) throws -> Claim {
            Claim(
                name: try NodeName(name), endpoint: source, epoch: 1, incarnation: .zero, status: .alive,
                metadata: .standard)
        }
        let told = try simba.signed(claim("simba"))
        for _ in 0..<100 {
            fetcher.add([told, try simba.signed(claim("nobody"))], from: teller, at: source) { claims in
                delivered.withLockedValue { $0 += claims.map(\.claim) }
            }
        }
        #expect(await eventually { delivered.withLockedValue { $0 } == [told] })
        #expect(asked.withLockedValue { $0.joined().map(\.text).sorted() } == ["nobody", "simba"])
        let before = asked.withLockedValue { $0.count }
        let clock = ContinuousClock()
        let began = clock.now
        for index in 0..<10_000 {
            fetcher.add([try claim("n\(index)")], from: teller, at: source) { _ in }
        }
        // The last that there was room for is asked for; what came past the bounds never is.
        #expect(await eventually { asked.withLockedValue { $0.count } > before })
        #expect(await eventually { asked.withLockedValue { $0.joined().count } >= CertificateFetcher.waitingMax })
        let rounds = (clock.now - began) / CertificateFetcher.pause + 1
        #expect(
            Double(asked.withLockedValue { $0.count } - before) <= 2 * rounds, "a helper and one teller in each round")
        #expect(asked.withLockedValue { $0.allSatisfy { $0.count <= CertificateFetcher.waitingMax } })
    }

    @Test("a claim whose certificate came by another way meanwhile is told, whatever its teller answers")
    func otherWay() async throws {
        let bed = try TestBed()
        let me = CurrentCredentials(try bed.identity(.node, "me"))
        let simba = try bed.identity(.node, "simba").credentials
        let book = CertificateBook(me: try NodeName("me"), credentials: me, log: quietLogger())
        let source = try TestBed.loopback(1)
        let claim = try simba.signed(
            Claim(
                name: try NodeName("simba"), endpoint: source, epoch: 1, incarnation: .zero, status: .alive,
                metadata: .standard))
        let delivered = NIOLockedValueBox<[Claim]>([])
        let fetcher = CertificateFetcher(book: book, log: quietLogger()) { _, _, _ in
            book.learn([CertificateChain(simba.chain)])
            throw CancelledByTest()
        }
        fetcher.add([claim], from: try NodeName("mkango"), at: source) { claims in
            delivered.withLockedValue { $0 += claims.map(\.claim) }
        }
        #expect(await eventually { delivered.withLockedValue { $0 } == [claim] })
        #expect(await fetcher.fetch(for: [claim]) { _ in [] } == [claim])
    }

    @Test("a teller that keeps silent holds up nobody else's news")
    func silentTeller() async throws {
        let bed = try TestBed()
        let me = CurrentCredentials(try bed.identity(.node, "me"))
        let simba = try bed.identity(.node, "simba").credentials
        let book = CertificateBook(me: try NodeName("me"), credentials: me, log: quietLogger())
        let (silent, honest) = (try NodeName("silent"), try NodeName("honest"))
        let source = try TestBed.loopback(1)
        func claim(_ name: String) throws -> Claim {
            try simba.signed(
                Claim(
                    name: try NodeName(name), endpoint: source, epoch: 1, incarnation: .zero, status: .alive,
                    metadata: .standard))
        }
        let delivered = NIOLockedValueBox<[Claim]>([])
        let isAsked = NIOLockedValueBox(false)
        let (answers, end) = AsyncStream.makeStream(of: Void.self)
        let fetcher = CertificateFetcher(book: book, log: quietLogger()) { _, node, _ in
            guard node == silent else { return [CertificateChain(simba.chain)] }
            isAsked.withLockedValue { $0 = true }
            for await _ in answers {}
            throw CancelledByTest()
        }
        fetcher.prefer(silent)
        func tell(_ claim: Claim, _ teller: NodeName) {
            fetcher.add([claim], from: teller, at: source) { claims in
                delivered.withLockedValue { $0 += claims.map(\.claim) }
            }
        }
        tell(try claim("nobody"), silent)
        #expect(await eventually { isAsked.withLockedValue { $0 } })
        let told = try claim("simba")
        tell(told, honest)
        #expect(await eventually { delivered.withLockedValue { $0 } == [told] }, "while the other one is asked still")
        end.finish()
    }
}
