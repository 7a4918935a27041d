/// Faults planted on purpose, in the simulation only, to show that the laws can be broken and that the harness sees it.
public enum Defect: String, Hashable, Sendable, CaseIterable {
    /// What is not one's own is dropped at once, whoever may hold it (law 2).
    case dropsUnconfirmed
    /// A write is acknowledged when it is durable on its first node (law 1).
    case acknowledgesAlone
    /// An offered version is confirmed before the disk has it (law 1).
    case confirmsUnsynced
    /// A newcomer vouches for its slots before it has heard anybody (law 6).
    case newcomerVouches
    /// A merge leaves tombstones out (law 3).
    case ignoresTombstones
    /// A drain ends before the copies are made (law 2).
    case leavesEarly
    /// A read is answered from whatever is held (law 6).
    case servesWhateverIsHeld
    /// A pull is reported as done and its record kept without its bytes (law 1).
    case pullsNoBytes
}
