import Vocabulary

/// One write's own mark: the node that took it, that node's boot, and the write's number within the boot.
///
/// Boot epochs grow with every start, so the writes of one node are in one order even across an old disk put back. They
/// grow within a boot, too, when the node lets go of a name that it had written in it: what it writes afterwards has not
/// seen that.
public struct Dot: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public let node: NodeName
    /// Milliseconds since 1970 at the node's start, made to grow.
    public let epoch: UInt64
    public let counter: UInt64

    public init(node: NodeName, epoch: UInt64, counter: UInt64) {
        self.node = node
        self.epoch = epoch
        self.counter = counter
    }

    public static func < (a: Dot, b: Dot) -> Bool {
        (a.node, a.epoch, a.counter) < (b.node, b.epoch, b.counter)
    }

    /// `node.epoch.counter` with the numbers in base 36: what users see and give as a version.
    public var description: String {
        "\(node).\(String(epoch, radix: 36)).\(String(counter, radix: 36))"
    }

    /// Parses what `description` gives; `nil` for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let node = try? NodeName(String(parts[0])), let epoch = UInt64(parts[1], radix: 36),
            let counter = UInt64(parts[2], radix: 36)
        else { return nil }
        self.init(node: node, epoch: epoch, counter: counter)
        // One version has one text: no sign, no leading zero, no upper case.
        guard description == text else { return nil }
    }
}

/// What a writer had seen of one name: for each boot of each node, its greatest write (a version vector; Preguiça et
/// al., "Dotted Version Vectors", 2010).
///
/// By boot and not by node: a node that comes back with an empty or an old disk, or with its clock set back, writes
/// without having seen all of its own earlier writes. Were a later boot to vouch for an earlier one, a delete that had
/// seen only the new write would take with it the earlier one that nobody had seen (law 4). The same holds of a node that
/// stood in, handed over and dropped what it had written, and stands in once more, cut off: `VersionSet.tells`.
public struct CausalContext: Hashable, Sendable, Codable {
    /// Sorted by node and boot, one dot for each; at most `dotCountMax`.
    public private(set) var dots: [Dot]

    public init() { dots = [] }

    /// Boots that wrote one name. Past this the oldest is forgotten, which can only make a seen write count as unseen:
    /// it stays in the history a while longer, and the head is the same. At half, a name that is written after each of
    /// many restarts gets there sooner; at double, every version of such a name carries 2 KiB more.
    public static let dotCountMax = 32

    /// Whether a writer with this context had seen the write.
    public func covers(_ dot: Dot) -> Bool {
        dots.contains { $0.node == dot.node && $0.epoch == dot.epoch && $0.counter >= dot.counter }
    }

    public mutating func add(_ dot: Dot) {
        if let index = dots.firstIndex(where: { $0.node == dot.node && $0.epoch == dot.epoch }) {
            dots[index] = max(dots[index], dot)
        } else {
            dots.insert(dot, at: dots.firstIndex(where: { $0 > dot }) ?? dots.endIndex)
            if dots.count > Self.dotCountMax { forgetOne() }
        }
    }

    public mutating func add(_ other: CausalContext) { for dot in other.dots { add(dot) } }

    /// The oldest boot of those that a later boot of the same node follows; when every node has one boot, the oldest.
    private mutating func forgetOne() {
        let followed = dots.indices.dropLast().filter { dots[$0].node == dots[$0 + 1].node }
        let oldest = (followed.isEmpty ? Array(dots.indices) : followed)
            .min { (dots[$0].epoch, dots[$0].node) < (dots[$1].epoch, dots[$1].node) }
        if let oldest { dots.remove(at: oldest) }
    }

    public init(from decoder: any Decoder) throws {
        self.init()
        for dot in try decoder.singleValueContainer().decode([Dot].self) { add(dot) }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(dots)
    }
}
