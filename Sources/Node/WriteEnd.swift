import Relocation
import Resources
import Vocabulary

/// What became of a write that is durable on its writer's disk: all the copies that it will get for now, or nobody is left to
/// ask.
public struct WriteEnd: Hashable, Sendable {
    /// The nodes that hold it durably, the writer first; none when the writer stopped before.
    public var copies: [NodeName] = []
    /// With fewer copies than so many it is a 202. An owner that is there and was not told of the write in time counts as a
    /// copy that is missing, however many there are.
    public var wanted = 1
    /// Those that could not take it. Whether they made another one themselves, a delete say, which needs no room, is to be asked
    /// before a condition of this one is said to hold (`heard`).
    public var declined: [NodeName] = []
    /// Members that are there, have a word in the name, and did not answer.
    public var silent: [NodeName] = []
    /// The writer stood in for an owner: the owners offer it nothing.
    public var isOfStandIn = false
    private var contest = Contest()

    public init(copies: [NodeName] = [], wanted: Int = 1) {
        self.copies = copies
        self.wanted = wanted
    }

    init(_ write: WriteTracker) {
        copies = write.copies
        // Whoever stood in made up the number perhaps; the owner that was not told goes on answering with what was before.
        wanted = write.untold.isEmpty ? write.wanted : max(write.wanted, copies.count + write.untold.count)
        declined = write.declined
        silent = write.silent
        isOfStandIn = write.isStandIn
        contest = write.contest
    }

    /// A write that goes before this one and has not seen it: no condition of this one holds.
    public var rival: Dot? { contest.rival }

    /// Of whom it is not known that they heard of the write in time: whether its condition held is not known.
    public var unheard: [NodeName] { silent + contest.tellers }

    /// A decliner that is there is asked this often before it counts as one that has not heard.
    public static let asksMax = 3

    /// Takes note of what one that declined holds of the name.
    public mutating func heard(_ testimony: Testimony, from teller: NodeName, besides version: Version) {
        let held = VersionSet(testimony.versions.filter { $0.name == version.name })
        contest.note(
            rival: held?.rival(of: version)?.dot, concurrent: held?.concurrent(with: version)?.dot, by: teller,
            isOfStandIn: isOfStandIn)
    }
}
