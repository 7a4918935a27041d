import Client
import HTTPTypes
import Logging
import NIOConcurrencyHelpers
import Node
import SWIM
import Storage
import Vocabulary

/// Going for a moment (an upgrade, a new certificate): the members are told `restarting`, so that nobody takes the silence
/// for a crash, and no data moves (DESIGN law 7). The counterpart of `LeaveService`, which hands everything over.
struct RestartService: Sendable {
    let core: AgentCore
    let members: MembersService
    let notifier: SystemdNotifier
    let refusalToStart: AgentService.RefusalToStart?

    /// How often progress is looked at; nothing else depends on it.
    private static let pollInterval = Duration.milliseconds(20)
    /// The rounds of gossip take less than one second among a hundred, and a call to each of them over TLS hardly more.
    /// Half might end before a distant member has heard it; double only makes an admin wait where one is out of reach.
    private static let announcementMax = Duration.seconds(3)
    /// For the writes that this node has begun to take: what breaks off is not acknowledged, so nothing is lost after it.
    private static let writesMax = Duration.seconds(5)

    /// Tells the members, and returns when they know or the time for that is up.
    ///
    /// - Throws: 409 when this node is leaving, or would not start again.
    func announce() async throws(APIError) -> API.RestartResult {
        guard !core.driver.read({ $0.isDraining }) else {
            throw APIError(
                .conflict, code: "leaving", "\(core.name) is leaving: it does not come back by itself",
                hint: "wait for its end, and start it again")
        }
        if let refusal = await refusalToStart?() {
            throw APIError(
                .conflict, code: "would_not_start", "\(core.name) would not start again: \(refusal)",
                hint: "correct that first; nothing was changed, and the agent runs on")
        }
        core.driver.feed(.membership(.announce(.restarting)))
        // Datagrams may not pass everywhere, and a member that missed it would count a crash: over TLS, too.
        let others = members.others.count
        let untold = NIOLockedValueBox<Int?>(nil)
        let telling = Task { [members] in
            let silent = await members.tellOnce(within: Self.announcementMax)
            untold.withLockedValue { $0 = silent }
        }
        await Polling.wait(atMost: Self.announcementMax, every: Self.pollInterval) {
            untold.withLockedValue { $0 } != nil && core.driver.read { $0.membership.announcementIsTold }
        }
        telling.cancel()
        await Polling.wait(atMost: Self.writesMax, every: Self.pollInterval) { core.intake.isIdle }
        let told = others - (untold.withLockedValue { $0 } ?? others)
        core.log.notice("restarting", metadata: ["told": "\(told)", "members": "\(others)"])
        return API.RestartResult(
            node: core.name.text, by: notifier.isActive ? .supervisor : .itself, epoch: core.store.epoch,
            told: max(0, told))
    }
}
