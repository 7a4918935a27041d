import Client
import Node
import Placement
import Relocation
import Resources
import SWIM
import Storage
import Vocabulary

/// What a leave, a join or a crash would move: every member is asked what it holds, and the rule that moves it is
/// worked out under the membership as it would be.
struct PlanService: Sendable {
    let core: AgentCore

    /// This node's part: what it holds, and how fast it fetches.
    func holdings() async throws -> PeerHoldings {
        PeerHoldings(
            groups: try await core.store.groups(), bytesPerSecond: core.moveRate.bytesPerSecond,
            free: await core.store.freeBytes())
    }

    /// - Parameter change: of a member that is none, `.leave` and `.fail` move nothing.
    func plan(_ change: MovePlan.Change) async throws -> API.Plan {
        let survey = await Survey(core) { node in
            node == core.name ? try await holdings() : try await core.calls.holdings(of: node)
        }
        let replicas = core.settings.replicas
        let ring = core.driver.read { $0.convergence.view.ring }
        let plan = MovePlan(
            change, ring: ring, replicas: replicas,
            holdings: Dictionary(uniqueKeysWithValues: survey.answers.map { ($0.node, $0.answer.groups) }))
        let rates = survey.answers.compactMap { answer in answer.answer.bytesPerSecond.map { (answer.node, $0) } }
        let rateOf = Dictionary(uniqueKeysWithValues: rates.filter { $0.1.isFinite && $0.1 > 0 })
        // Who has not moved anything yet, as a newcomer has not, is taken for an average one.
        let average = rateOf.isEmpty ? nil : rateOf.values.reduce(0, +) / Double(rateOf.count)
        let free = Dictionary(survey.answers.map { ($0.node, $0.answer.free) }, uniquingKeysWith: { first, _ in first })
        let moves = plan.fetched.sorted { $0.key < $1.key }.map { node, amount in
            API.Plan.Move(
                node: node.text, resources: amount.resources, bytes: amount.bytes,
                durationMilliseconds: (rateOf[node] ?? average).map {
                    UInt64(min(Double(amount.bytes) / $0 * 1000, 1e15))
                }, free: free[node] ?? nil)
        }
        return API.Plan(
            change: change.word, node: change.node.text, replicas: replicas, resources: plan.total.resources,
            bytes: plan.total.bytes,
            // Everybody fetches at the same time: the last one to be done decides.
            durationMilliseconds: moves.contains { $0.durationMilliseconds == nil }
                ? nil : moves.compactMap(\.durationMilliseconds).max() ?? 0,
            startsAfterMilliseconds: change.waits
                ? UInt64(clamping: core.settings.relocation.delay.saturatingNanoseconds / 1_000_000) : 0,
            moves: moves,
            drops: plan.dropped.sorted { $0.key < $1.key }.map { node, amount in
                API.Plan.Drop(node: node.text, resources: amount.resources, bytes: amount.bytes)
            },
            short: API.Plan.Short(resources: plan.short.resources, bytes: plan.short.bytes),
            unreachable: survey.unreachable.map(\.text).filter { $0 != change.node.text })
    }
}

extension MovePlan.Change {
    var node: NodeName {
        switch self {
        case .leave(let name), .fail(let name): name
        case .join(let candidate): candidate.name
        }
    }

    var word: String {
        switch self {
        case .leave: "leave"
        case .fail: "fail"
        case .join: "join"
        }
    }

    /// A crash is waited out first.
    fileprivate var waits: Bool {
        if case .fail = self { true } else { false }
    }
}
