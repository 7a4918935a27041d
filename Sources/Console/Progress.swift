import Vocabulary

/// How far a long run is, on stderr: a line that is written over on a terminal, one a minute in a log.
public struct Progress {
    private let total: Int
    private let what: String
    private let unit: String
    private let isShown: Bool
    private var done = 0
    private let start = ContinuousClock.now
    private var lastShown = ContinuousClock.now

    /// - Parameters:
    ///   - what: is under way.
    ///   - unit: what is counted, in the plural.
    ///   - isShown: false for all but one of several that count the same.
    public init(total: Int, what: String, unit: String = "seeds", isShown: Bool = true) {
        self.total = total
        self.what = what
        self.unit = unit
        self.isShown = isShown
    }

    public mutating func advance() { show(done + 1) }

    public mutating func show(_ done: Int) {
        self.done = min(done, total)
        let now = ContinuousClock.now
        guard isShown, now - lastShown > (Terminal.isThere ? .milliseconds(100) : .seconds(60)) else { return }
        lastShown = now
        let rate = Double(self.done) / max((now - start).seconds, 0.001)
        let text = rate < 100 ? "\(Double(Int(rate * 10)) / 10)" : "\(Int(rate))"
        let line = "\(what): \(self.done) of \(total) \(unit), \(text) a second"
        Terminal.write(Terminal.isThere ? "\r\u{1B}[K\(line)" : line + "\n")
    }

    public func finish() {
        if isShown, Terminal.isThere { Terminal.write("\r\u{1B}[K") }
    }
}
