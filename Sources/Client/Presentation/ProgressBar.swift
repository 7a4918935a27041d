import NIOConcurrencyHelpers
import Vocabulary

/// The line that says how far a transfer is. Pure: the same numbers give the same line.
public enum ProgressLine {
    /// `name  45% [#########-----------]  450.0 MiB of 1.0 GiB  210.3 MiB/s  ETA 2.7 s`, cut to `width` columns.
    public static func text(
        label: String, bytes: UInt64, total: UInt64?, elapsed: Duration, bytesPerSecond: UInt64, width: Int
    ) -> String {
        var parts: [String] = []
        if let total {
            parts.append(bar(total == 0 ? 1 : Double(bytes) / Double(total)))
            parts.append("\(HumanUnits.bytes(bytes)) of \(HumanUnits.bytes(total))")
        } else {
            parts.append(HumanUnits.bytes(bytes))
        }
        parts.append("\(HumanUnits.bytes(bytesPerSecond))/s")
        if let total, total > bytes, bytesPerSecond > 0 {
            let seconds = Double(total - bytes) / Double(bytesPerSecond)
            parts.append("ETA \(HumanUnits.duration(milliseconds: UInt64(min(seconds * 1000, 1e12))))")
        } else {
            parts.append(HumanUnits.duration(elapsed))
        }
        return line(label, parts, width)
    }

    /// `leaving   45% [#########-----------]  9 of 20 resources  4.5 MiB of 10.0 MiB  ETA 2.7 s`, cut to `width` columns.
    public static func text(
        label: String, done: Int, total: Int, unit: String, detail: String, elapsed: Duration, width: Int
    ) -> String {
        let share = total <= 0 ? 1 : max(0, Double(done) / Double(total))
        var parts = [bar(share), "\(done) of \(total) \(unit)", detail]
        if share > 0, share < 1 {
            let milliseconds = min(elapsed.seconds * 1000 * (1 - share) / share, 1e12)
            parts.append("ETA \(HumanUnits.duration(milliseconds: UInt64(max(0, milliseconds))))")
        } else {
            parts.append(HumanUnits.duration(elapsed))
        }
        return line(label, parts, width)
    }

    private static func bar(_ share: Double) -> String {
        let share = min(1, share)
        let filled = Int(share * 20)
        let percent = String(Int(share * 100))
        return String(repeating: " ", count: max(0, 3 - percent.count)) + percent + "% ["
            + String(repeating: "#", count: filled) + String(repeating: "-", count: 20 - filled) + "]"
    }

    private static func line(_ label: String, _ parts: [String], _ width: Int) -> String {
        let numbers = parts.joined(separator: "  ")
        // The name gives way first: the numbers are what is watched.
        let room = width - numbers.count - 2
        if room >= 4 {
            let name = label.count <= room ? label : "…" + label.suffix(room - 1)
            return name + "  " + numbers
        }
        return String(numbers.prefix(max(0, width)))
    }
}

/// A progress line on a terminal, drawn at most ten times a second; silent when there is no terminal.
public final class ProgressBar: Sendable {
    /// Faster is flicker, slower looks stuck.
    static let interval = Duration.milliseconds(100)
    /// The rate is that of the last seconds, not of the whole: each drawing counts for a tenth.
    static let smoothing = 0.1

    private struct State {
        var lastDrawn: ContinuousClock.Instant?
        var lastBytes: UInt64 = 0
        var rate: Double?
        var isDrawn = false
    }

    private let label: String
    private let width: Int
    /// Writes to the terminal; `nil` keeps silent.
    private let write: (@Sendable (String) -> Void)?
    private let start = ContinuousClock.now
    private let state = NIOLockedValueBox(State())

    public init(label: String, width: Int, write: (@Sendable (String) -> Void)?) {
        self.label = label
        self.width = width
        self.write = write
    }

    public func update(_ bytes: UInt64, of total: UInt64?) {
        draw { rate, elapsed in
            ProgressLine.text(
                label: label, bytes: bytes, total: total, elapsed: elapsed, bytesPerSecond: rate, width: width)
        } bytes: {
            bytes
        }
    }

    /// For work that is counted in other things than bytes.
    ///
    /// - Parameters:
    ///   - unit: what is counted, in the plural.
    ///   - detail: of the caller's own words, as how many bytes that is.
    public func update(_ done: Int, of total: Int, unit: String, detail: String) {
        draw { _, elapsed in
            ProgressLine.text(
                label: label, done: done, total: total, unit: unit, detail: detail, elapsed: elapsed, width: width)
        } bytes: {
            0
        }
    }

    /// A line of the caller's own words, for work that is not counted in bytes.
    public func update(text: String) {
        draw { _, _ in
            String((label + "  " + text).prefix(width))
        } bytes: {
            0
        }
    }

    private func draw(_ line: (UInt64, Duration) -> String, bytes: () -> UInt64) {
        guard let write else { return }
        let now = ContinuousClock.now
        let rate = state.withLockedValue { state -> UInt64? in
            let count = bytes()
            if let last = state.lastDrawn, now - last < Self.interval { return nil }
            let since = (now - (state.lastDrawn ?? start)).seconds
            let gained = count >= state.lastBytes ? count - state.lastBytes : 0
            let current = since > 0 ? Double(gained) / since : 0
            let rate = state.rate.map { $0 * (1 - Self.smoothing) + current * Self.smoothing } ?? current
            // The very first drawing has no time behind it to speak of.
            if state.lastDrawn != nil { state.rate = rate }
            state.lastDrawn = now
            state.lastBytes = count
            state.isDrawn = true
            return UInt64(min(max(rate, 0), 1e18))
        }
        guard let rate else { return }
        write("\r" + line(rate, now - start) + "\u{1B}[K")
    }

    /// Takes the line away: what follows is said in words.
    public func finish() {
        let wasDrawn = state.withLockedValue { state in
            defer { state.isDrawn = false }
            return state.isDrawn
        }
        if wasDrawn { write?("\r\u{1B}[K") }
    }
}
