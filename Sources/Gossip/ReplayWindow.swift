/// Which counters of a session have come: each once, in any order, as long as it is not far behind (RFC 6479).
struct ReplayWindow: Sendable {
    /// Counters this far behind the newest are refused unseen. Gossip comes at some ten a second and sender, so that
    /// even a path that holds datagrams back for a minute stays inside; 256 bytes a session.
    static let span: UInt64 = 2_048 - 64

    private static let wordCount: UInt64 = 2_048 / 64
    /// A ring of bits; one word more than the span, so that the newest word can be cleared as a whole.
    private var words = [UInt64](repeating: 0, count: Int(wordCount))
    private var newest: UInt64 = 0

    /// The counter has not come yet and is not too old.
    func admits(_ counter: UInt64) -> Bool {
        if counter > newest { return true }
        guard newest - counter < Self.span else { return false }
        return words[Self.word(counter)] & Self.bit(counter) == 0
    }

    /// Remembers a counter that `admits` let through and that proved authentic.
    mutating func record(_ counter: UInt64) {
        if counter > newest {
            let first = newest / 64 + 1
            let last = counter / 64
            if first <= last {
                // At most one round of the ring, however far it jumps.
                for index in 0..<min(last - first + 1, Self.wordCount) {
                    words[Int((last - index) % Self.wordCount)] = 0
                }
            }
            newest = counter
        }
        words[Self.word(counter)] |= Self.bit(counter)
    }

    private static func word(_ counter: UInt64) -> Int { Int(counter / 64 % wordCount) }
    private static func bit(_ counter: UInt64) -> UInt64 { 1 << (counter % 64) }
}
