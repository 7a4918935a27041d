import Vocabulary

/// Why an address was no way into the cluster.
enum JoinError: Error, CustomStringConvertible {
    case oneself
    case joiningItself(NodeName, remembering: [NodeName])
    case revoked(NodeName)
    case answerTooLarge
    case refused(NodeName, String)
    /// A live node has this node's name.
    case nameInUse(NodeName, String)
    /// What the node says of itself; the log says why.
    case notBelieved(NodeName)
    /// No answer, or none that can be read.
    case failed(String)

    /// Codes of the API's refusals.
    static let oneselfCode = "oneself"
    static let nameInUseCode = "name_in_use"

    var description: String {
        switch self {
        case .oneself: "this node itself answers there"
        case .joiningItself(let node, _): "\(node) is on its way into the cluster itself"
        case .revoked(let node): "the certificate of \(node) was revoked"
        case .answerTooLarge: "the answer was larger than any member list"
        case .refused(let node, let reason): "\(node) refused: \(reason)"
        case .nameInUse(let node, let reason): "\(node) refused: \(reason)"
        case .notBelieved(let node):
            "what \(node) says of itself is not believed here; compare the clocks of both hosts, and see this node's log"
        case .failed(let reason): reason
        }
    }
}
