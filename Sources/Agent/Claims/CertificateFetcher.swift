import Gossip
import Logging
import NIOConcurrencyHelpers
import SWIM
import Vocabulary

/// Asks for the certificates that claims came without: those who tell of a member have verified it, so they know its
/// certificate. What they told waits here meanwhile, so that nothing hangs on its being told again.
///
/// First one member is asked for all that is missing, whoever told it: one that this node is connected with, and that had
/// an answer so far. When many join at once, the news of them comes from everybody, and a connection to each teller
/// would cost each node more than all the rest of the join. What that one does not know the tellers are asked for.
///
/// Everything is bounded: a signature of a made-up certificate is cheap to send, and must lead to no flood of calls.
final class CertificateFetcher: Sendable {
    struct Waiting: Sendable {
        let claim: Claim
        let teller: NodeName
        let source: Endpoint
    }

    typealias Ask =
        @Sendable (_ names: [NodeName], _ node: NodeName, _ source: Endpoint?) async throws ->
        [CertificateChain]
    typealias Deliver = @Sendable (_ claims: [Waiting]) -> Void

    static let waitingMax = 256
    /// Between two rounds of calls. At half, twice the calls while many join; at double, news of a newcomer takes that
    /// much longer at each member on its way.
    static let pause = Duration.milliseconds(50)
    /// Asked at once.
    static let tellersMax = 4
    /// A call that takes longer is not waited for by what was told meanwhile: one that keeps silent would hold up
    /// everybody's news. It takes its own time, while others are asked for the rest.
    static let patience = Duration.milliseconds(500)
    /// Rounds of calls under way, all but one of which wait for somebody who keeps silent.
    static let roundsMax = 4
    /// Before the same node is asked for the same name again.
    static let againAfter = Duration.seconds(5)
    private static let askedMax = 4_096

    private struct Question: Hashable {
        let name: NodeName
        let teller: NodeName
    }

    private struct State {
        var waiting: [Waiting] = []
        /// Who is asked first.
        var helper: NodeName?
        var asked: [Question: Instant] = [:]
        var cleared = Instant(nanoseconds: 0)
        var rounds = 0
        /// Those that wait for somebody who keeps silent.
        var stalled = 0

        /// Whether a round is to begin now: there is work, and nobody at it.
        mutating func begins() -> Bool {
            guard !waiting.isEmpty, rounds <= stalled, rounds < CertificateFetcher.roundsMax else { return false }
            rounds += 1
            return true
        }
    }

    private let ask: Ask
    private let book: CertificateBook
    private let log: Logger
    private let state = NIOLockedValueBox(State())

    init(book: CertificateBook, log: Logger, ask: @escaping Ask) {
        self.book = book
        self.log = log
        self.ask = ask
    }

    /// Never waits.
    ///
    /// - Parameter deliver: takes the claims whose certificates came, later.
    func add(_ claims: [Claim], from teller: NodeName, at source: Endpoint, deliver: @escaping Deliver) {
        guard !claims.isEmpty else { return }
        let now = NodeDriver.now
        let mayStart = state.withLockedValue { state in
            if state.asked.count > Self.askedMax {
                // Cleared now and then only: what is made up must not cost a walk through all of it each time.
                guard state.cleared + .seconds(1) <= now else { return false }
                state.cleared = now
                state.asked = state.asked.filter { now < $0.value }
            }
            for claim in claims where state.waiting.count < Self.waitingMax {
                let question = Question(name: claim.name, teller: teller)
                if let notBefore = state.asked[question], now < notBefore { continue }
                state.asked[question] = now + Self.againAfter
                state.waiting.append(Waiting(claim: claim, teller: teller, source: source))
            }
            return state.begins()
        }
        if mayStart { Task { [weak self] in await self?.run(deliver) } }
    }

    /// - Returns: those that can be verified now, whoever brought the certificates: they may have come by another way while
    ///   these waited.
    private func verifiable(_ claims: [Claim]) -> [Claim] {
        claims.filter { claim in
            guard let id = claim.signature.flatMap({ ClaimStatement.parts(of: $0)?.certificate }) else { return false }
            return book.certificate(id, of: claim.name) != nil
        }
    }

    /// The same, for whoever waits for it.
    ///
    /// - Returns: those of the claims whose certificates came; in the order in which they stood.
    func fetch(for claims: [Claim], asking ask: @Sendable ([NodeName]) async throws -> [CertificateChain]) async
        -> [Claim]
    {
        let names = Set(claims.map(\.name)).sorted()
        do {
            var rest = names[...]
            while !rest.isEmpty {
                let part = Array(rest.prefix(CertificateBook.wantedMax))
                // An answer has room for so many bytes; who is not in it comes with a later exchange.
                guard !book.learn(try await ask(part)).isEmpty else { break }
                rest = rest.dropFirst(part.count)
            }
        } catch {
            log.debug("no certificates", metadata: ["error": "\(error)"])
        }
        return verifiable(claims)
    }

    /// Takes a member for the one to be asked first: this node has come in by it, so it knows whom this node may miss.
    func prefer(_ node: NodeName) { state.withLockedValue { $0.helper = node } }

    private func run(_ deliver: @escaping Deliver) async {
        while let (claims, helper) = next() {
            let isAsking = NIOLockedValueBox(helper)
            let watch = Task { [weak self] in
                try await Task.sleep(for: Self.patience)
                self?.stalls(isAsking.withLockedValue { $0 }, deliver)
            }
            var rest = claims
            if let helper {
                rest = await fetch(claims, from: helper, at: nil, deliver)
                // If anybody keeps silent now, it is another.
                isAsking.withLockedValue { $0 = nil }
            }
            let byTeller = Dictionary(grouping: rest.filter { $0.teller != helper }, by: \.teller)
            await withDiscardingTaskGroup { group in
                // Any of them: a datagram's sender may be made up, and whoever tells most would be asked each time. What is
                // left out is told again, or comes with an exchange.
                let tellers = byTeller.shuffled()
                for (teller, claims) in tellers.prefix(Self.tellersMax) {
                    group.addTask {
                        if await self.fetch(claims, from: teller, at: claims.first?.source, deliver).isEmpty {
                            self.state.withLockedValue { $0.helper = $0.helper ?? teller }
                        }
                    }
                }
            }
            watch.cancel()
            // It may have been late by a moment.
            if case .success = await watch.result { state.withLockedValue { $0.stalled -= 1 } }
            try? await Task.sleep(for: Self.pause)
        }
    }

    /// A round waits for somebody. The next one asks others.
    ///
    /// - Parameter helper: who is waited for, when it is the helper.
    private func stalls(_ helper: NodeName?, _ deliver: @escaping Deliver) {
        let mayStart = state.withLockedValue { state in
            state.stalled += 1
            if let helper, state.helper == helper { state.helper = nil }
            return state.begins()
        }
        if mayStart { Task { [weak self] in await self?.run(deliver) } }
    }

    /// - Returns: those whose certificates did not come.
    private func fetch(
        _ claims: [Waiting], from node: NodeName, at source: Endpoint?, _ deliver: Deliver
    ) async -> [Waiting] {
        let names = Set(claims.map(\.claim.name)).sorted()
        do {
            book.learn(try await ask(names, node, source))
        } catch {
            log.debug("no certificates", metadata: ["from": "\(node)", "error": "\(error)"])
            // Another will do as well.
            state.withLockedValue { if $0.helper == node { $0.helper = nil } }
        }
        let known = Set(verifiable(claims.map(\.claim)))
        let told = claims.filter { known.contains($0.claim) }
        if !told.isEmpty { deliver(told) }
        return claims.filter { !known.contains($0.claim) }
    }

    private func next() -> (claims: [Waiting], helper: NodeName?)? {
        state.withLockedValue { state in
            guard !state.waiting.isEmpty else {
                state.rounds -= 1
                return nil
            }
            defer { state.waiting = [] }
            return (state.waiting, state.helper)
        }
    }
}
