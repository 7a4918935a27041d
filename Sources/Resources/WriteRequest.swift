import Vocabulary

/// What must be true of a name for a write to happen (RFC 9110 §13).
public enum Precondition: Hashable, Sendable {
    case none
    /// `If-None-Match: *`: the name must not exist.
    case absent
    /// `If-Match` with an ETag: the head must have these bytes.
    case digest(ContentDigest)
    /// `--if-version`, or `If-Match` with a version: the head must be this write.
    case version(Dot)
    /// `If-Match: *`: the name must exist.
    case present

    public func holds(for set: VersionSet?) -> Bool {
        switch self {
        case .none: true
        case .absent: set?.live == nil
        case .present: set?.live != nil
        case .digest(let digest): set?.live?.digest == digest
        case .version(let dot): set?.live?.dot == dot
        }
    }
}

/// A put or a delete on its way to becoming a version.
public struct WriteRequest: Hashable, Sendable {
    public var name: ResourceName
    public var content: Version.Content
    /// `nil` keeps the home that the name has.
    public var home: NodeName?
    public var precondition: Precondition
    /// Others may have made this write, and nobody knows; at most `attemptsMax`. Made once more it has to go before what
    /// they made, however late the clock is here.
    public var attempts: [WriteAttempt] = []
    /// The latest time that it may be made with.
    public var until: HybridTime?

    public init(name: ResourceName, content: Version.Content, home: NodeName?, precondition: Precondition) {
        self.name = name
        self.content = content
        self.home = home
        self.precondition = precondition
    }

    /// Whether what the name is at the moment decides what becomes of the write.
    public var dependsOnState: Bool { precondition != .none || content == .tombstone }

    /// Nodes that fall silent one after the other, each with the same write.
    public static let attemptsMax = 8

    /// What was made by one of the `attempts` has this time at the latest.
    public var after: HybridTime? { attempts.map(\.until).max() }

    public enum Refusal: Error, Hashable, Sendable {
        case preconditionFailed(head: Dot?)
        /// A delete of a name that does not exist, nor has lost a write to the delete that it was.
        case notFound
        /// Its time would be later than `until`.
        case overdue
        /// One of the `attempts` may have come to something, and another writer has seen it: made once more it would undo
        /// what that one wrote on top of it, a delete say.
        case builtUpon
        /// Somebody told of a write of the name while this one was judged, and it has not seen that: it is to be judged again.
        case overtaken
        /// Another node took a write on the same version at the same time, and that one goes first. This one was made
        /// durable before that was known: it is in the name's history.
        case outranked(by: Dot)
    }

    /// The version that this write becomes, given what this node holds of the name: it has seen all of that.
    ///
    /// - Throws: `Refusal`. After `.overdue` the clock has gone past all that was seen: asked for anew, it is in time.
    public func version(
        after set: VersionSet?, dot: Dot, clock: inout HybridClock, wallMilliseconds: UInt64
    ) throws(Refusal) -> Version {
        guard precondition.holds(for: set) else { throw .preconditionFailed(head: set?.live?.dot) }
        // What lost to a delete is kept until a writer has seen it: a second delete lets go of it.
        if content == .tombstone, set.map({ $0.live == nil && $0.conflicts == 0 }) ?? true { throw .notFound }
        for version in set?.versions ?? [] where attempts.contains(where: { version.context.mayCover($0) }) {
            throw .builtUpon
        }
        for version in set?.versions ?? [] { clock.observe(version.time) }
        if let after { clock.observe(after) }
        let time = clock.tick(wallMilliseconds: wallMilliseconds)
        if let until, time > until { throw .overdue }
        return Version(
            name: name, dot: dot, context: set?.context ?? CausalContext(), time: time, content: content,
            home: home ?? (content == .tombstone ? set?.head : set?.live)?.home)
    }
}
