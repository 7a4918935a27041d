import Vocabulary

/// What a node knows of crashed members that no claim tells, because it was there: whoever it lets in reckons with the same.
public struct Absences: Hashable, Sendable {
    /// How much longer each keeps its place as an owner.
    public var keeping: [NodeName: Duration]
    /// Those that went together with as many others as there are to be copies (`LostTogether`): what an earlier release tells.
    public var lost: Set<NodeName>
    public var losses: [Loss]
    /// As many are told.
    public static let lossesMax = LostTogether.lossesMax

    public init(keeping: [NodeName: Duration] = [:], lost: Set<NodeName> = [], losses: [Loss] = []) {
        self.keeping = keeping
        self.lost = lost
        self.losses = losses
    }
}
