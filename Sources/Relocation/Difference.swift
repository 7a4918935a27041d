import Resources
import Vocabulary

extension Convergence {
    /// How a group differed: while it is still so, and what one lacks of it is on its way, there is nothing to be gained by
    /// exchanging it again.
    struct Difference: Sendable {
        let mine: SetDigest
        let theirs: SetDigest
        let isOwnedThere: Bool
        /// When it was exchanged, and whoever lacked something had room to queue it.
        var toldAt: Instant?
        /// This node lacked something.
        var lacked = false
        /// It did, and there was room to note all of it (`NewerElsewhere`), whether or not it is on its way.
        var isLackKnown = false

        func isAs(_ other: Difference) -> Bool {
            mine == other.mine && theirs == other.theirs && isOwnedThere == other.isOwnedThere
        }
    }
}
