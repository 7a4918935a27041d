#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// What is left of a run that dies: where each worker was when a trap or a signal ended the process, or when none of
/// them finished a batch for too long, which is how an endless loop shows.
enum BlackBox {
    static let workersMax = 64
    /// Far above what a batch takes on a slow machine.
    static let silenceSecondsMax: UInt32 = 300

    /// One worker's four numbers: busy, layer, batch, datagram.
    struct Slot: @unchecked Sendable {
        // Written by its one worker; read by a signal handler of a process that is about to end, where a torn number
        // would cost no more than another search.
        fileprivate let words: UnsafeMutablePointer<UInt64>

        func begin(_ place: Place) {
            words[1] = UInt64(place.layer.number)
            words[2] = UInt64(place.batch)
            words[3] = 0
            words[0] = 1
            // Each batch that begins shows that the others are not all stuck.
            alarm(BlackBox.silenceSecondsMax)
        }

        func note(_ position: Int) { words[3] = UInt64(position) }
        func end() { words[0] = 0 }
    }

    // Allocated once, before any worker, and never freed: the handler may run at any time.
    nonisolated(unsafe) private static let memory: UnsafeMutablePointer<UInt64> = {
        let memory = UnsafeMutablePointer<UInt64>.allocate(capacity: workersMax * 4)
        memory.initialize(repeating: 0, count: workersMax * 4)
        return memory
    }()
    // Set once, before any worker.
    nonisolated(unsafe) private static var seed: UInt64 = 0

    static func slot(_ worker: Int) -> Slot { Slot(words: memory + (worker % workersMax) * 4) }

    static func open(seed: UInt64) {
        self.seed = seed
        _ = slot(0)
        for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGALRM] {
            signal(number) { number in
                BlackBox.tell(number)
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }

    /// In a signal handler: no allocation, only `write`.
    private static func tell(_ number: Int32) {
        write(number == SIGALRM ? "\nroost-fuzz: no batch ended in time" : "\nroost-fuzz: the process died of signal ")
        if number != SIGALRM { write(UInt64(number)) }
        write(", seed ")
        write(seed)
        write("; run one of these again with --replay:\n")
        for worker in 0..<workersMax where memory[worker * 4] == 1 {
            let words = memory + worker * 4
            write("  --seed ")
            write(seed)
            write(words[1] == 0 ? " --replay opener:" : words[1] == 1 ? " --replay codec:" : " --replay membership:")
            write(words[2])
            write(":")
            write(words[3])
            write("\n")
        }
    }

    private static func write(_ text: StaticString) { put(text.utf8Start, text.utf8CodeUnitCount) }

    private static func write(_ number: UInt64) {
        var rest = number
        // Twenty digits, the last one first, each on its own: slow, and without any memory.
        var divisor: UInt64 = 10_000_000_000_000_000_000
        while divisor > 1, rest / divisor == 0 { divisor /= 10 }
        while divisor > 0 {
            var digit = UInt8(ascii: "0") + UInt8(rest / divisor)
            put(&digit, 1)
            rest %= divisor
            divisor /= 10
        }
    }

    private static func put(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
        #if canImport(Glibc)
            _ = Glibc.write(2, bytes, count)
        #elseif canImport(Musl)
            _ = Musl.write(2, bytes, count)
        #else
            _ = Darwin.write(2, bytes, count)
        #endif
    }
}
