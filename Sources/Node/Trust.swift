import SWIM
import Vocabulary

/// What is to be expected of a member whose answer somebody waits for.
public enum Trust: Int, Comparable, Sendable {
    /// It crashed, or left: whatever was asked of it is answered no more.
    case gone
    /// It is suspected.
    case doubted
    case trusted

    public static func < (a: Trust, b: Trust) -> Bool { a.rawValue < b.rawValue }
}

/// Queries that were passed on and have no answer yet, when the member they went to falls silent: a site that goes dark
/// closes no connection, and to wait out the time that an answer may take would cost a client several times what it
/// takes to find that out. So who waits goes on to the next as soon as the detector doubts the member; one that was
/// doubted when it was asked, since nobody better was left, is waited for until it is gone.
extension NodeMachine {
    public func trust(in node: NodeName) -> Trust {
        switch membership.member(node)?.status {
        // What announced that it will go answers what it was asked before it does.
        case .alive, .restarting, .draining: .trusted
        case .suspect: .doubted
        case .crashed, .left, nil: .gone
        }
    }

    /// Whether an answer of the node is waited for no more.
    ///
    /// - Parameters:
    ///   - before: what was expected of it when it was asked.
    ///   - isCommitted: it has begun a write, which others can not simply make in its stead, or is at work on many bytes.
    public func isLost(_ node: NodeName, since before: Trust, isCommitted: Bool) -> Bool {
        let now = trust(in: node)
        return now == .gone || !isCommitted && now < before
    }
}
