#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif
import Vocabulary

/// How far the run is, on stderr: a line that is written over on a terminal, one a minute in a log.
struct Progress {
    private let total: Int
    private let isShown: Bool
    private let isTerminal = isatty(2) == 1
    private let start = ContinuousClock.now
    private var lastShown = ContinuousClock.now

    init(total: Int, isShown: Bool) {
        self.total = total
        self.isShown = isShown
    }

    mutating func show(_ done: Int) {
        let now = ContinuousClock.now
        guard isShown, now - lastShown > (isTerminal ? .milliseconds(200) : .seconds(60)) else { return }
        lastShown = now
        let rate = Int(Double(done) / max((now - start).seconds, 0.001))
        let line = "\(min(done, total)) of \(total) datagrams, \(rate) a second"
        Terminal.write(isTerminal ? "\r\u{1B}[K\(line)" : "roost-fuzz: \(line)\n")
    }

    func finish() {
        if isShown, isTerminal { Terminal.write("\r\u{1B}[K") }
    }
}

enum Terminal {
    static func error(_ line: String) { write(line + "\n") }

    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { buffer in
                #if canImport(Glibc)
                    Glibc.write(2, buffer.baseAddress, buffer.count)
                #elseif canImport(Musl)
                    Musl.write(2, buffer.baseAddress, buffer.count)
                #else
                    Darwin.write(2, buffer.baseAddress, buffer.count)
                #endif
            }
            guard count > 0 else { return }
            sent += count
        }
    }
}
