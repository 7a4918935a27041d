import Vocabulary

/// The record of a run: the same for the same seed, byte for byte. Its hash is always kept; its lines only when asked
/// for, since a run of a thousand members has millions.
public struct Trace: Sendable {
    public enum Keeping: Hashable, Sendable {
        case hashOnly
        /// The last so many lines.
        case lines(max: Int)
    }

    public let keeping: Keeping
    /// Over every entry so far, in order.
    public private(set) var hash: UInt64 = 0x726f_6f73_745f_7472
    /// How many entries there were.
    public private(set) var count: UInt64 = 0
    public private(set) var lines: [String] = []

    public init(keeping: Keeping = .hashOnly) { self.keeping = keeping }

    /// One entry. Whole numbers go into the hash as they are; the text is built only when lines are kept.
    mutating func note(
        _ kind: Kind, at time: Instant, _ host: HostID, _ peer: HostID? = nil, number: Int64 = 0,
        text: @autoclosure () -> String = ""
    ) {
        count += 1
        fold(UInt64(bitPattern: time.nanoseconds))
        fold(UInt64(kind.rawValue) << 48 | UInt64(UInt32(truncatingIfNeeded: host.number)))
        fold(UInt64(bitPattern: Int64(peer?.number ?? -1)) &* 31 &+ UInt64(bitPattern: number))
        guard case .lines(let most) = keeping else { return }
        let about = [peer.map { "\($0)" }, number == 0 ? nil : String(number), text()].compactMap { $0 }
        append("\(time) \(host) \(kind) \(about.filter { !$0.isEmpty }.joined(separator: " "))", most)
    }

    /// An entry whose text itself counts: what a machine made known, or what a schedule did.
    mutating func tell(_ kind: Kind, at time: Instant, _ host: HostID?, _ text: String) {
        note(kind, at: time, host ?? HostID(number: -1), text: text)
        for byte in text.utf8 { fold(UInt64(byte)) }
    }

    enum Kind: UInt8 {
        case boot = 1
        case crash, stop, pause, resume
        case sent, lost, twice, arrived, unheard, dropped
        case call, served, answered, failed
        case synced, told, action, spun
        case blocked, unblocked
        case stalled
        case strayed
    }

    private mutating func fold(_ value: UInt64) {
        hash = (hash ^ value) &* 0x9E37_79B9_7F4A_7C15
        hash ^= hash >> 29
    }

    private mutating func append(_ line: String, _ most: Int) {
        // Cut by halves, so that keeping the last ones costs nothing to speak of.
        if lines.count >= 2 * max(most, 1) { lines.removeFirst(lines.count - most) }
        lines.append(line)
    }
}
