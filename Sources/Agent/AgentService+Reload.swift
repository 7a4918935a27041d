import Logging
import Node
import SWIM
import Vocabulary

// SIGHUP (`systemctl reload`): what an agent takes up without a restart.

extension AgentService {
    func reload() {
        // Before the node is ready, systemd waits for that, and READY=1 would say it too early.
        let isReady = core.driver.read { !$0.isJoining }
        if isReady { notifier.reloading() }
        certificates.take(because: "of SIGHUP", isAsked: true)
        reloadSettings()
        if isReady { notifier.ready(core.driver.read { StatusLine($0) }.text) }
    }

    private func reloadSettings() {
        guard let readSettings else { return }
        do {
            var fresh = try readSettings()
            let tags = fresh.tags
            fresh.tags = core.settings.tags
            if fresh != core.settings {
                core.log.warning("the configuration has changed; all but its tags counts from the next start on")
            }
            take(tags)
        } catch {
            core.log.error(
                "could not read the configuration again; kept what was in it", metadata: ["error": "\(error)"])
        }
    }

    /// This node has other tags from now on, and says so.
    func take(_ tags: Tags) {
        // By their bytes: two texts may be equal to people and be written differently.
        guard tags.encoded != core.tags.own.encoded else { return }
        // First: whoever hears of them may ask for them in the next moment.
        core.tags.own = tags
        let own = core.driver.read { $0.membership.oneself }
        core.driver.feed(.membership(.metadata(own.metadata.tagged(tags.digest))))
        core.events.tagsKnown(tags, of: own)
        // Others may have what were this node's own until now.
        core.tags.lookAgain()
        core.log.notice("this node has other tags", metadata: ["count": "\(tags.byKey.count)"])
    }
}
