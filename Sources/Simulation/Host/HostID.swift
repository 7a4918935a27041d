/// A simulated machine: its number in the order in which hosts were added. It outlives the processes that run on it.
public struct HostID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let number: Int

    init(number: Int) { self.number = number }

    public static func < (a: HostID, b: HostID) -> Bool { a.number < b.number }
    public var description: String { number < 0 ? "-" : "#\(number)" }
}
