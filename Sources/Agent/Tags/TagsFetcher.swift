import Logging
import NIOConcurrencyHelpers
import Node
import SWIM
import Vocabulary

/// Fetches the tags that claims point to and that are not known here: later, in batches, over TLS, a few calls at a
/// time. Nothing waits for it, and in a calm cluster it sends nothing.
final class TagsFetcher: Sendable {
    /// What is missing, as the membership is now.
    struct View: Sendable {
        var missing: [TagsDigest: [NodeName]] = [:]
        var members = 0
    }

    /// How asking ended, for the metrics.
    enum Outcome: String, CaseIterable, Sendable {
        /// With all that was asked for.
        case complete
        /// Some of it was not known there, or was something else than its digest says.
        case partial
        case failed
    }

    typealias Ask = @Sendable (_ wanted: [TagsDigest], _ node: NodeName) async throws -> [[UInt8]]

    struct Surroundings: Sendable {
        var look: @Sendable () -> View
        /// Peers whom to ask costs no handshake.
        var connected: @Sendable () async -> [NodeName]
        var ask: Ask
        /// Tags came that had been missing.
        var told: @Sendable (_ members: [NodeName], TagsDigest) -> Void
    }

    /// Between two rounds: what becomes known in this time is asked for together.
    private static let pause = Duration.milliseconds(100)
    /// While something is missing, the members are looked through so often without a cause; it takes milliseconds in a
    /// cluster of thousands.
    private static let lookAgainAfter = Duration.seconds(10)
    private static let fullPause = Duration.seconds(60)
    /// Who learns of more at once has just come, and looks at the whole list anyway.
    private static let toldMax = 16

    private let book: TagsBook
    private let surroundings: Surroundings
    private let questionsMax: Int
    private let log: Logger
    private let state = NIOLockedValueBox((outcomes: [Outcome: UInt64](), pending: 0))

    /// - Parameter peersMax: so many peers can be connected at once. Tags leave most of the places to others.
    init(book: TagsBook, peersMax: Int, log: Logger, _ surroundings: Surroundings) {
        self.book = book
        self.surroundings = surroundings
        questionsMax = max(1, min(TagsAgenda.questionsMax, peersMax / 8))
        self.log = log
    }

    /// How calls ended so far.
    var outcomes: [Outcome: UInt64] { state.withLockedValue { $0.outcomes } }
    /// Tags that are being looked for.
    var pending: Int { state.withLockedValue { $0.pending } }

    func run() async {
        var agenda = TagsAgenda()
        var view = View()
        var lookedAt: Instant?
        var alarm: Task<Void, Never>?
        for await _ in book.wishes {
            alarm?.cancel()
            // The walk through the members holds up datagrams: one of 10,000 members comes once a second at most.
            let pause = max(Self.pause, Duration.microseconds(100) * view.members)
            do { try await Task.sleep(for: pause) } catch { break }
            let wishes = book.takeWishes()
            let now = NodeDriver.now
            if wishes.isWished || lookedAt.map({ now - $0 >= Self.lookAgainAfter }) ?? true {
                view = surroundings.look()
                lookedAt = now
                var rng = SystemRandomNumberGenerator()
                agenda.update(view.missing, tellers: wishes.tellers, members: view.members, at: now, using: &rng)
            }
            let hasRoom = book.hasRoom
            if hasRoom { await round(&agenda, members: view.members) }
            state.withLockedValue { $0.pending = agenda.count }
            guard let next = agenda.next else { continue }
            let wait = hasRoom ? max(.zero, next - NodeDriver.now) : Self.fullPause
            alarm = Task { [book] in
                do { try await Task.sleep(for: wait) } catch { return }
                book.wakeFetcher()
            }
        }
        alarm?.cancel()
    }

    private func round(_ agenda: inout TagsAgenda, members: Int) async {
        var rng = SystemRandomNumberGenerator()
        let connected = await surroundings.connected()
        let questions = agenda.questions(
            connected: connected, members: members, limit: questionsMax, at: NodeDriver.now, using: &rng)
        let came = await withTaskGroup(of: Set<TagsDigest>.self) { tasks in
            for question in questions { tasks.addTask { await self.ask(question) } }
            return await tasks.reduce(into: Set()) { $0.formUnion($1) }
        }
        let now = NodeDriver.now
        for digest in came.sorted() {
            let owners = agenda.came(digest, at: now)
            if came.count <= Self.toldMax, owners.count <= Self.toldMax { surroundings.told(owners, digest) }
        }
    }

    /// - Returns: what came, and is what it should be.
    private func ask(_ question: TagsAgenda.Question) async -> Set<TagsDigest> {
        let wanted = Set(question.digests)
        var came: Set<TagsDigest> = []
        let outcome: Outcome
        do {
            came = book.learn(try await surroundings.ask(question.digests, question.node), wanted: wanted)
            outcome = came == wanted ? .complete : .partial
        } catch {
            outcome = .failed
            log.debug("no tags", metadata: ["from": "\(question.node)", "error": "\(error)"])
        }
        state.withLockedValue { $0.outcomes[outcome, default: 0] &+= 1 }
        return came
    }
}
