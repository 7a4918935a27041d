import Logging
import Node
import SWIM
import Vocabulary

/// Where the others reach this node, for one that was not told.
extension MembersService {
    /// A machine that had no address but loopback when the agent started may have one by now (DHCP).
    func guessAddressAgain() {
        let own = core.endpoint
        guard AdvertisedEndpoint.isGuess(core.settings), AdvertisedEndpoint.isLocal(own.host),
            let found = try? AdvertisedEndpoint.find(bound: core.settings.bind, port: own.port)
        else { return }
        core.driver.feed(.membership(.endpoint(found)))
    }

    /// What another member saw this node's calls come from is better than loopback, which leads each to itself.
    func learnOwnAddress(_ seenAs: String?) {
        let own = core.endpoint
        guard AdvertisedEndpoint.isGuess(core.settings),
            let better = AdvertisedEndpoint.better(than: own, seenAs: seenAs)
        else { return }
        core.log.notice("others see this node at another address", metadata: ["address": "\(better)"])
        core.driver.feed(.membership(.endpoint(better)))
    }
}
