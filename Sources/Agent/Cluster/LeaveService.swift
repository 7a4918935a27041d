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
        let (left, copies, full) = core.driver.read { machine in
            (machine.convergence.leftBehind, machine.convergence.copiesOfOthers, API.NoRoom.all(in: machine))
        }
        let withoutRoom = full.filter { $0.node != core.name.text }
        let names = await names(in: left.groups)
        core.driver.feed(.lifecycle(.leave))
        await Polling.wait(atMost: Self.farewellMax, every: Self.pollInterval) {
            core.driver.read { $0.membership.farewellComplete }
        }
        if left.weight > 0 {
            let logged = names.prefix(Self.namesLogged)
            let more = left.resources &- logged.count
            core.log.warning(
                "left before everything was handed over",
                metadata: [
                    "resources": "\(left.resources)", "deleted_names": "\(left.deleted)", "bytes": "\(left.bytes)",
                    "names": "\(logged.joined(separator: ", "))\(more > 0 ? " and \(more) more" : "")",
                    "without_room": "\(withoutRoom.map(\.node).joined(separator: ","))",
                ])
        }
        if (1..<max(1, core.settings.replicas)).contains(copies) {
            core.log.warning(
                "fewer members stay than there are to be copies",
                metadata: ["copies": "\(copies)", "wanted": "\(core.settings.replicas)"])
        }
        return API.LeaveResult(
            node: core.name.text, complete: left.weight == 0, remaining: left.weight, remainingBytes: left.bytes,
            leftBehind: names, leftBehindMore: max(0, left.resources &- names.count), deletedBehind: left.deleted,
            bytes: core.traffic.sentBytes &- sentBefore,
            durationMilliseconds: UInt64(clamping: Int64((ContinuousClock.now - began).milliseconds)),
            copies: copies, wanted: core.settings.replicas, withoutRoom: withoutRoom)
    }

    /// As many names are told; of the others, how many they are.
    private static let namesMax = 100
    /// Where nobody reads the answer, as after a SIGTERM, the log has the first of them.
    private static let namesLogged = 20
    /// A disk that hangs may be why this node goes: to name what is left is help for a person, and not waited for.
    private static let namingMax = Duration.seconds(2)

    /// The live names in the groups, sorted; `namesMax` of them at most, or those that the disk gave in time.
    private nonisolated func names(in groups: [GroupKey]) async -> [String] {
        guard !groups.isEmpty else { return [] }
        let found = NIOLockedValueBox<(names: [String], isWhole: Bool)>(([], false))
        let naming = Task { [core] in
            // Each has one at least.
            for key in groups.prefix(Self.namesMax) where !Task.isCancelled {
                let sets = (try? await core.store.versions(in: [key]).first) ?? []
                let isEnough = found.withLockedValue { found in
                    found.names += sets.filter { !$0.head.isTombstone }.map(\.name.text)
                    return found.names.count >= Self.namesMax
                }
                if isEnough { break }
            }
            found.withLockedValue { $0.isWhole = true }
        }
        await Polling.wait(atMost: Self.namingMax, every: Self.pollInterval) { found.withLockedValue { $0.isWhole } }
        naming.cancel()
        return Array(found.withLockedValue { $0.names }.sorted().prefix(Self.namesMax))
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
