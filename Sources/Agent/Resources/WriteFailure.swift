import Client
import Resources
import Storage
import Vocabulary

/// Why a write was not taken.
enum WriteFailure: Error, CustomStringConvertible {
    case nobody(ResourceName)
    case unreachable(ResourceName, [String])
    /// What the name is now, which decides about the write, is not known: why, of each who does not say so.
    case undecided(ResourceName, [String])
    /// The node that passed it on does not wait for it any more.
    case givenUp(ResourceName, by: NodeName)
    /// The node's disk failed before the write was made.
    case notMade(ResourceName, by: NodeName, StorageError)
    /// The node stopped answering, and may have carried the write out.
    case outcomeUnknown(ResourceName, NodeName, String)
    /// The condition held here, and these, who are there and have a word in it, did not say what they know of it.
    case unheard(ResourceName, [NodeName])
    /// It is written here, and what goes before it could not be read.
    case unjudged(ResourceName, String)
    /// The owner's own answer, to be passed on as it is.
    case refused(status: Int, API.ErrorBody)
    /// This node is, and nobody has begun with the write, nor will.
    case notTaken
    /// This node is, before anybody else had what it wrote.
    case stopping

    private static let doubtsTold = 5

    static func mayHaveHappened(_ body: API.ErrorBody) -> Bool {
        API.ErrorBody.ofUnknownOutcome.contains(body.error.code)
    }

    var description: String {
        switch self {
        case .nobody(let name): "no node may take a write of \(name) now: the owners are still getting in step"
        case .unreachable(let name, let failures):
            "no owner of \(name) could be reached: \(failures.joined(separator: "; "))"
        case .undecided(let name, let doubts):
            "what \(name) is now is not known: "
                + (doubts.isEmpty
                    ? "too few of those who know it can be reached"
                    : doubts.prefix(Self.doubtsTold).joined(separator: "; ")
                        + (doubts.count > Self.doubtsTold ? "; and \(doubts.count - Self.doubtsTold) more" : ""))
        case .givenUp(let name, let giver): "\(giver) does not wait for its write of \(name) any more"
        case .notMade(let name, let node, let error): "\(node) could not make the write of \(name): \(error)"
        case .outcomeUnknown(let name, let node, let cause):
            "\(node) stopped answering while it wrote \(name), and may have done so (\(cause))"
        case .unheard(let name, let nodes):
            "\(name) is written here, but \(nodes.map(\.text).joined(separator: ", ")) did not answer, and may have "
                + "taken another write on the same version"
        case .unjudged(let name, let cause):
            "\(name) is written here, but whether another write goes before it could not be read: \(cause)"
        case .refused(let status, let body): "refused with \(status): \(body.error.message)"
        case .notTaken: "this node is stopping and took no write"
        case .stopping: "this node is stopping, and may have made the write"
        }
    }
}
