import Client
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Node
import Relocation
import Resources
import SWIM
import Storage
import Vocabulary

/// Going in good order: mark this node `draining`, wait until every resource is on its other owners, say farewell.
actor LeaveService {
    private let core: AgentCore
    private var underWay: Task<API.LeaveResult, Never>?
    /// Somebody does not want to wait for the hand-over any longer.
    private let isUrgent = NIOLockedValueBox(false)

    init(core: AgentCore) { self.core = core }

    /// How often progress is looked at; nothing else depends on it.
    private static let pollInterval = Duration.milliseconds(50)
    private static let farewellMax = Duration.seconds(3)

    /// Drains and leaves, once: a second caller waits for the same end, which comes at once when it says `now`.
    func leave(now: Bool, timeout: Duration) async -> API.LeaveResult {
        if now { isUrgent.withLockedValue { $0 = true } }
        if let underWay { return await underWay.value }
        let task = Task { await self.carryOut(now: now, timeout: timeout) }
        underWay = task
        return await task.value
    }

    private nonisolated func carryOut(now: Bool, timeout: Duration) async -> API.LeaveResult {
        let began = ContinuousClock.now
        let sentBefore = core.traffic.sentBytes
        if !now { await drain(within: timeout) }
        let (remaining, copies, full) = core.driver.read { machine in
            let convergence = machine.convergence
            return (
                max(convergence.resourcesShort, convergence.resourcesOnlyHere), convergence.copiesOfOthers,
                API.NoRoom.all(in: machine)
            )
        }
        let withoutRoom = full.filter { $0.node != core.name.text }
        let leftBehind = remaining > 0 ? await leftBehind() : []
        core.driver.feed(.lifecycle(.leave))
        await Polling.wait(atMost: Self.farewellMax, every: Self.pollInterval) {
            core.driver.read { $0.membership.farewellComplete }
        }
        if remaining > 0 {
            core.log.warning(
                "left before everything was handed over",
                metadata: [
                    "resources": "\(remaining)",
                    "names": "\(leftBehind.prefix(Self.namesLogged).joined(separator: ", "))",
                    "without_room": "\(withoutRoom.map(\.node).joined(separator: ","))",
                ])
        }
        if (1..<max(1, core.settings.replicas)).contains(copies) {
            core.log.warning(
                "fewer members stay than there are to be copies",
                metadata: ["copies": "\(copies)", "wanted": "\(core.settings.replicas)"])
        }
        return API.LeaveResult(
            node: core.name.text, complete: remaining == 0, remaining: remaining, leftBehind: leftBehind,
            bytes: core.traffic.sentBytes &- sentBefore,
            durationMilliseconds: UInt64(clamping: Int64((ContinuousClock.now - began).milliseconds)),
            copies: copies, wanted: core.settings.replicas, withoutRoom: withoutRoom)
    }

    /// As many names are told.
    private static let namesMax = 100
    /// Where nobody reads the answer, as after a SIGTERM, the log has the first of them.
    private static let namesLogged = 20
    /// So many groups are looked at for them: some may hold deleted names only.
    private static let groupsNamedMax = 1_000
    /// A disk that hangs may be why this node goes: to name what is left is help for a person, and not waited for.
    private static let namingMax = Duration.seconds(2)

    private nonisolated func leftBehind() async -> [String] {
        let keys = core.driver.read { $0.convergence.groupsShort.prefix(Self.groupsNamedMax) }
        let found = NIOLockedValueBox<[String]?>(nil)
        let naming = Task { [core] in
            var names: [String] = []
            for key in keys where names.count < Self.namesMax && !Task.isCancelled {
                let sets = (try? await core.store.versions(in: [key]).first) ?? []
                names += sets.filter { !$0.head.isTombstone }.map(\.name.text)
            }
            found.withLockedValue { [names] in $0 = names }
        }
        await Polling.wait(atMost: Self.namingMax, every: Self.pollInterval) { found.withLockedValue { $0 } != nil }
        naming.cancel()
        return Array((found.withLockedValue { $0 } ?? []).sorted().prefix(Self.namesMax))
    }

    private nonisolated func drain(within timeout: Duration) async {
        core.log.notice("draining", metadata: ["resources": "\(core.driver.read { $0.convergence.totals.held })"])
        core.driver.feed(.lifecycle(.drain))
        await Polling.wait(atMost: timeout, every: Self.pollInterval) {
            // In this order: what was being taken is held, and counted, before it is taken no more.
            isUrgent.withLockedValue { $0 } || core.intake.isIdle && core.driver.read { $0.convergence.isDrained }
        }
    }
}
