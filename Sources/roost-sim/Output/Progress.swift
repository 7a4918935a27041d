#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How far a long run is, on a terminal only; never on stdout, which is for the results.
struct Progress {
    let total: Int
    let what: String
    /// What is counted.
    let unit: String
    private var done = 0
    private let isShown = isatty(2) == 1
    private let start = ContinuousClock.now
    private var lastShown = ContinuousClock.now

    init(total: Int, what: String, unit: String = "seed") {
        self.total = total
        self.what = what
        self.unit = unit
    }

    mutating func advance() {
        done += 1
        let now = ContinuousClock.now
        guard isShown, done == total || now - lastShown > .milliseconds(100) else { return }
        lastShown = now
        let (seconds, attoseconds) = (now - start).components
        let elapsed = max(Double(seconds) + Double(attoseconds) / 1e18, 0.001)
        let rate = Double(Int(Double(done) / elapsed * 10)) / 10
        Terminal.write("\r\u{1B}[K\(what): \(unit) \(done) of \(total), \(rate) a second")
    }

    func finish() {
        if isShown { Terminal.write("\r\u{1B}[K") }
    }
}

enum Terminal {
    static func error(_ line: String) { write(line + "\n") }

    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                buffer.baseAddress.map { fwriteAll($0 + sent, buffer.count - sent) } ?? 0
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    private static func fwriteAll(_ pointer: UnsafeRawPointer, _ count: Int) -> Int {
        #if canImport(Glibc)
            Glibc.write(2, pointer, count)
        #else
            Darwin.write(2, pointer, count)
        #endif
    }
}
