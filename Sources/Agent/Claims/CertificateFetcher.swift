import Logging
import NIOConcurrencyHelpers
import SWIM
import Vocabulary

/// Asks for the certificates that claims came without: those who tell of a member have verified it, so they know its
/// certificate. What they told waits here meanwhile, so that nothing hangs on its being told again.
///
/// Everything is bounded: a signature of a made-up certificate is cheap to send, and must lead to no flood of calls.
final class CertificateFetcher: Sendable {
    struct Waiting: Sendable {
        let claim: Claim
        let source: Endpoint
    }

    typealias Ask = @Sendable (_ names: [NodeName], _ teller: NodeName) async throws -> [CertificateChain]
    typealias Deliver = @Sendable (_ claims: [Waiting], _ teller: NodeName) -> Void

    static let waitingMax = 256
    /// Between two calls.
    static let pause = Duration.milliseconds(100)
    /// Before the same node is asked for the same name again.
    static let againAfter = Duration.seconds(5)
    private static let askedMax = 4_096

    private struct Question: Hashable {
        let name: NodeName
        let teller: NodeName
    }

    private struct State {
        var waiting: [NodeName: [Waiting]] = [:]
        var count = 0
        var asked: [Question: Instant] = [:]
        var cleared = Instant(nanoseconds: 0)
        var isRunning = false
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
            for claim in claims where state.count < Self.waitingMax {
                let question = Question(name: claim.name, teller: teller)
                if let notBefore = state.asked[question], now < notBefore { continue }
                state.asked[question] = now + Self.againAfter
                state.waiting[teller, default: []].append(Waiting(claim: claim, source: source))
                state.count += 1
            }
            guard state.count > 0, !state.isRunning else { return false }
            state.isRunning = true
            return true
        }
        if mayStart { Task { [weak self] in await self?.run(deliver) } }
    }

    /// The same, for whoever waits for it.
    ///
    /// - Returns: those of the claims whose certificates came; in the order in which they stood.
    func fetch(for claims: [Claim], asking ask: @Sendable ([NodeName]) async throws -> [CertificateChain]) async
        -> [Claim]
    {
        let names = Set(claims.map(\.name)).sorted()
        var news: Set<NodeName> = []
        do {
            var rest = names[...]
            while !rest.isEmpty {
                let part = Array(rest.prefix(CertificateBook.wantedMax))
                let learned = book.learn(try await ask(part))
                // An answer has room for so many bytes; who is not in it comes with a later exchange.
                guard !learned.isEmpty else { break }
                news.formUnion(learned)
                rest = rest.dropFirst(part.count)
            }
        } catch {
            log.debug("no certificates", metadata: ["error": "\(error)"])
        }
        return claims.filter { news.contains($0.name) }
    }

    private func run(_ deliver: @escaping Deliver) async {
        while let (teller, claims) = next() {
            do {
                let names = Set(claims.map(\.claim.name)).sorted()
                let news = book.learn(try await ask(names, teller))
                deliver(claims.filter { news.contains($0.claim.name) }, teller)
            } catch {
                log.debug("no certificates", metadata: ["from": "\(teller)", "error": "\(error)"])
            }
            try? await Task.sleep(for: Self.pause)
        }
    }

    private func next() -> (NodeName, [Waiting])? {
        state.withLockedValue { state in
            guard let (teller, claims) = state.waiting.first else {
                state.isRunning = false
                return nil
            }
            state.waiting[teller] = nil
            state.count -= claims.count
            return (teller, claims)
        }
    }
}
