/// What the rules look for, in code without comments and strings.
///
/// A `Regex` is not `Sendable`, so each is made where it is used.
struct Pattern {
    let name: String
    /// A file without any of these words is not searched; empty: only lines with a `!` are.
    let words: Set<Substring>
    let regex: Regex<Substring>
    let replacement: String
}

extension SourceRules {
    static var importLine: Regex<(Substring, Substring)> {
        /^\s*(?:@\w+(?:\(\w+\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+(?:(?:struct|class|enum|protocol|func|var|let|typealias|actor)\s+)?(\w+)/
    }

    static let randomWords: Set<Substring> = ["random", "shuffled", "shuffle", "randomElement"]
    static var randomCall: Regex<(Substring, Substring)> { /\.(random|shuffled|shuffle|randomElement)\(/ }

    static var uncheckedPromise: Regex<Substring> { /@unchecked\s+Sendable|nonisolated\(unsafe\)/ }

    static var nondeterministic: [Pattern] {
        let clock = "`at now: Instant`, which the driver passes in"
        let seeded = "`using rng: inout some RandomNumberGenerator`, which the driver seeded"
        return [
            Pattern(
                name: "a wall clock", words: ["Date", "gettimeofday", "time"],
                regex: /\bDate\s*\(|\bDate\.now\b|\bgettimeofday\b|\btime\(nil\)/, replacement: clock),
            Pattern(
                name: "a clock",
                words: ["ContinuousClock", "SuspendingClock", "DispatchTime", "clock_gettime", "NIODeadline"],
                regex: /\bContinuousClock\b|\bSuspendingClock\b|\bDispatchTime\b|\bclock_gettime\b|\bNIODeadline\b/,
                replacement: clock),
            Pattern(
                name: "sleeping", words: ["sleep", "usleep", "nanosleep"],
                regex: /\bTask\.sleep\b|\busleep\b|\bnanosleep\b/, replacement: "a deadline that the driver wakes for"),
            Pattern(
                name: "the system's randomness",
                words: ["SystemRandomNumberGenerator", "UUID", "arc4random", "arc4random_uniform", "getrandom"],
                regex: /\bSystemRandomNumberGenerator\b|\bUUID\s*\(|\barc4random|\bgetrandom\b/, replacement: seeded),
            Pattern(
                name: "Swift's Hasher, which is seeded anew in each process,", words: ["Hasher", "hashValue"],
                regex: /\bHasher\s*\(|\.hashValue\b/, replacement: "SipHash of Vocabulary, with a stated key"),
            Pattern(
                name: "the environment", words: ["ProcessInfo", "getenv", "CommandLine"],
                regex: /\bProcessInfo\b|\bgetenv\b|\bCommandLine\b/, replacement: "a parameter"),
        ]
    }

    static var trapping: [Pattern] {
        [
            Pattern(
                name: "try!", words: ["try"], regex: /\btry!/,
                replacement: "`try`, and an error of the module's own enum"),
            Pattern(
                name: "as!", words: ["as"], regex: /\bas!/,
                replacement: "`as?` with an answer for the other case, or an enum"),
            Pattern(
                name: "fatalError", words: ["fatalError"], regex: /\bfatalError\s*\(/,
                replacement: "a typed error, or a `precondition` on a law that no input can break"),
            Pattern(
                name: "a force unwrap or implicitly unwrapped type", words: [], regex: /[\w)\]"?>]!(?!=)/,
                replacement: "`guard let`, `??`, or a type that cannot be nil"),
            Pattern(
                name: "a locked box of a bare closure, which each look wraps once more until the stack ends",
                words: ["NIOLockedValueBox"], regex: /NIOLockedValueBox<[(@][^\[:]*->/,
                replacement: "a struct around the closure, as Blobs.Listener"),
        ]
    }
}
