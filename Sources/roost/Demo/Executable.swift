import FoundationEssentials

/// This very program, to be started again.
enum Executable {
    /// Linux's own name of it, which holds also when the file has been replaced since.
    static let path = "/proc/self/exe"

    /// The same, for another program that is to start it.
    static var pathForOthers: String { "/proc/\(ProcessInfo.processInfo.processIdentifier)/exe" }

    /// What a person types for it.
    static var shown: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) ?? "roost"
    }
}

extension Environment {
    /// All variables but those that would change a Roost agent's settings behind its configuration file.
    static var withoutSettings: [String: String] {
        ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("ROOST_") }
    }
}
