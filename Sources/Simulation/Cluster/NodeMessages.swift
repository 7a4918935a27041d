import Node
import Relocation
import Resources
import SWIM
import Vocabulary

/// A write on its way to the node that orders it.
public struct SimulatedWriteOrder: Sendable {
    var request: WriteRequest
    let visited: [NodeName]
    /// Somebody who does not answer may have made it.
    var isDoubtful = false
    /// An owner could not judge it.
    var isUndecided = false
    var id = WriteOrders.ID(epoch: 0, number: 0)
}

/// What became of a write.
public enum WriteResult: Hashable, Sendable {
    case written(Version, copies: [NodeName], wanted: Int)
    /// The cluster's last word: the precondition does not hold, or there is nothing to delete.
    case refused(WriteRequest.Refusal)
    /// Nobody could take it: nothing has happened.
    case unavailable
    /// Like `unavailable`: somebody may take it, and can not judge it.
    case undecided
    /// Nobody said so in time; it may have happened all the same.
    case unknown
}

/// What a read found.
public enum ReadResult: Hashable, Sendable {
    case found(Version)
    case missing
    case unavailable
    /// Like `unavailable`, and somebody who may hold it is not in step.
    case behind
    /// Like `unavailable`, and somebody who may hold it gave no word.
    case silence
    /// Passed on, and somebody who may hold it had no place for the question: whoever asked tries again.
    case busy
}

extension NodeHost {
    public enum Request: Sendable {
        case members([Claim])
        /// A membership probe by way of TLS.
        case probe([Claim])
        case compare(CompareRequest)
        case compareSums(SumsRequest)
        case exchange(ExchangeRequest)
        case tombstones(TombstoneRequest)
        case offer(OfferRequest)
        case write(SimulatedWriteOrder)
        /// May the order be carried out?
        case begin(WriteOrders.ID, WriteAttempt?)
        case blob(ContentDigest)
        /// - hops: nodes that it has been at, as the simulation counts them.
        case read(ResourceName, visited: [NodeName], unsure: [NodeName], vouched: Dot?, hops: Int)
        case versions(ResourceName)
    }

    public enum Response: Sendable {
        /// - isBlank: it is on its way in and knows nothing of the cluster.
        case members(NodeName, [Claim], isJoining: Bool, isBlank: Bool, Absences)
        case compared(CompareReply)
        case comparedSums(SumsReply)
        case exchanged(ExchangeReply)
        case tombstones(TombstoneReply)
        case offered(OfferReply)
        case wrote(WriteResult)
        case begins(Bool)
        case read(ReadResult, by: NodeName?)
        case blob
        case versions(Testimony)
        /// 404 for bytes, 503 for the rest.
        case no
        /// 507 to an offer.
        case noRoom
        /// 503 of a node that has no place for its caller; or nobody was asked, for want of one here.
        case busy
    }

    /// From a client or an operator of this node; the number comes back with the outcome.
    public enum Command: Sendable {
        case write(Int, WriteRequest)
        case read(Int, ResourceName)
        case leave(timeout: Duration)
        /// Announce a restart, and end.
        case restart
    }

    public enum Observation: Sendable, CustomStringConvertible {
        case wrote(Int, WriteResult)
        case read(Int, ReadResult)
        /// A client's write became a version here.
        case made(Version)
        case dropped(GroupKey)
        /// Nothing of these names is held any more, by the word of all members.
        case collected([VersionSet])
        /// It came to the end of its name's history here: there are as many greater ones as are kept.
        case outran(Version)
        /// Fetches bytes that it is to hold and lacks; not those of a write that it is offered.
        case fetches(Version)
        /// A request has been at more nodes than it may.
        case strayed(ResourceName, hops: Int)
        /// A read was answered with bytes that are not those of the version.
        case servedRot(ResourceName)
        /// Said farewell, with so many resources not handed over.
        case left(remaining: Int, copies: Int)
        case event(MemberEvent)

        public var description: String {
            switch self {
            case .wrote(let number, .written(let version, let copies, let wanted)):
                "write \(number): \(version.name) is \(version.isTombstone ? "deleted by " : "")\(version.dot) on \(copies.map(\.text).joined(separator: ",")), wanted \(wanted)"
            case .wrote(let number, .refused(let refusal)): "write \(number): refused, \(refusal)"
            case .wrote(let number, .unavailable), .wrote(let number, .undecided): "write \(number): unavailable"
            case .wrote(let number, .unknown): "write \(number): unknown"
            case .read(let number, .found(let version)): "read \(number): \(version.dot)"
            case .read(let number, .missing): "read \(number): missing"
            case .read(let number, .unavailable), .read(let number, .behind), .read(let number, .silence),
                .read(let number, .busy):
                "read \(number): unavailable"
            case .made(let version): "makes \(version.name) \(version.dot)"
            case .dropped(let key): "dropped \(key)"
            case .collected(let sets): "forgot \(sets.map { "\($0.name) \($0.head.dot)" }.joined(separator: ", "))"
            case .outran(let version): "keeps \(version.name) \(version.dot) no more"
            case .fetches(let version): "fetches \(version.name) \(version.dot)"
            case .strayed(let name, let hops): "a read of \(name) has been at \(hops) nodes"
            case .servedRot(let name): "wrong bytes of \(name) were served"
            case .left(let remaining, let copies): "left, \(remaining) remaining, \(copies) copies on others"
            case .event(let event): event.description
            }
        }
    }
}
