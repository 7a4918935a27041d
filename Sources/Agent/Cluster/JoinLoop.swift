import Logging
import Node
import SWIM
import Vocabulary

/// The way in at the start: tries the configured addresses and those remembered, again and again with growing pauses,
/// until one answers. Until the first round has ended, nothing here is vouched for.
struct JoinLoop: Sendable {
    let core: AgentCore
    let members: MembersService
    let seeds: [Endpoint]

    /// Rounds before this node goes on alone; it keeps trying all the same.
    private static let roundsBeforeAlone = 3
    private static let pauseFirst = Duration.milliseconds(500)
    private static let pauseMax = Duration.seconds(30)

    /// Returns when joined, or when there is nobody to join.
    ///
    /// - Parameter settled: called once, when this node is a member or goes on alone.
    func run(settled: @Sendable () -> Void) async {
        var isSettled = false
        var pause = Self.pauseFirst
        var round = 0
        while !Task.isCancelled {
            if await joinOnce() {
                if !isSettled { settled() }
                return
            }
            round += 1
            if round == Self.roundsBeforeAlone {
                core.log.warning(
                    "no member of the cluster answers; going on alone and trying again",
                    metadata: ["addresses": "\(seeds.map(\.description).joined(separator: ","))"])
                do { _ = try await core.keys.createIfNeeded() } catch {
                    core.log.error("could not make a cluster key", metadata: ["error": "\(error)"])
                }
                core.driver.feed(.lifecycle(.alone))
                settled()
                isSettled = true
            }
            do { try await Task.sleep(for: pause) } catch { return }
            pause = min(pause * 2, Self.pauseMax)
            // Somebody may have joined us meanwhile: what they know, keys above all, is fetched before going on.
            if core.driver.read({ $0.membership.presentCount > 1 }) {
                await members.tellEveryone(besides: nil)
                core.driver.feed(.lifecycle(.alone))
                if !isSettled { settled() }
                return
            }
        }
    }

    private func joinOnce() async -> Bool {
        var joined = false
        for seed in seeds.prefix(64) {
            do {
                let node = try await members.join(through: seed)
                core.log.info("joined the cluster", metadata: ["through": "\(node)", "at": "\(seed)"])
                joined = true
                break
            } catch {
                core.log.info("could not join through \(seed)", metadata: ["error": "\(error)"])
            }
        }
        return joined
    }
}
