/// Which module may import which: the table of docs/ARCHITECTURE.md. An arrow points down only, so that the pure cores
/// stay what both the agent and the simulator can drive.
enum Arrows {
    /// Targets that are values and functions only: no I/O, no clock, no randomness but what is passed in, no order that
    /// differs from process to process.
    static let pure: Set<String> = [
        "Vocabulary", "SWIM", "Resources", "Placement", "Relocation", "Node", "Simulation",
    ]

    private static let nio: Set<String> = ["NIOCore", "NIOPosix", "NIOConcurrencyHelpers"]
    private static let system: Set<String> = [
        "Glibc", "Musl", "Darwin", "Foundation", "FoundationEssentials", "Dispatch", "Synchronization",
    ]
    /// The parts of swift-collections.
    private static let collections: Set<String> = [
        "Collections", "DequeModule", "HeapModule", "OrderedCollections", "HashTreeCollections", "BitCollections",
    ]
    private static let cores: Set<String> = ["Vocabulary", "SWIM", "Placement", "Resources", "Relocation", "Node"]

    /// Target → what it may import.
    static let allowed: [String: Set<String>] = [
        "Vocabulary": [],
        "SWIM": collections.union(["Vocabulary"]),
        "Resources": ["Vocabulary"],
        "Placement": ["Vocabulary"],
        "Relocation": collections.union(["Vocabulary", "Placement", "Resources"]),
        "Node": ["Vocabulary", "SWIM", "Placement", "Resources", "Relocation"],
        "Simulation": cores.union(collections),
        // Reads flags and prints: the C library for that, but no network and no OpenSSL.
        "Console": ["Vocabulary", "Glibc", "Musl", "Darwin"],
        "roost-sim": ["Vocabulary", "SWIM", "Simulation", "Console", "ArgumentParser", "Glibc", "Musl", "Darwin"],

        // Reads datagrams as the agent does, and seals them itself: by the protocol's text, not by the agent's code.
        "roost-fuzz": ["Vocabulary", "SWIM", "Gossip", "TLS", "Console", "ArgumentParser", "Glibc", "Musl", "Darwin"],

        "COpenSSL": [],
        "TLS": nio.union(system).union(["Vocabulary", "COpenSSL"]),
        "Gossip": ["Vocabulary", "SWIM", "TLS"],
        "Authority": system.union(["Vocabulary", "TLS"]),
        "Storage": nio.union(system).union(["Vocabulary", "Resources", "TLS", "GRDB"]),
        "Client": nio.union(system).union(["Vocabulary", "TLS", "NIOHTTP1"]),
        // CNIOLinux: the compiler finds `sockaddr_un` in NIO's C headers, not in Glibc's module.
        "Agent": nio.union(system).union(cores).union([
            "TLS", "Gossip", "Storage", "Authority", "Client", "Logging", "HTTPTypes", "Hummingbird", "HummingbirdCore",
            "NIOHTTP1",
            "NIOHTTPTypes", "Yams", "CYaml", "ServiceLifecycle", "UnixSignals", "CNIOLinux",
        ]),
        "roost": system.union(["Vocabulary", "Agent", "Client", "Authority", "ArgumentParser", "Logging"]),
    ]

    /// What to do instead, said with the failure.
    static func replacement(for module: String, in target: String) -> String {
        if ["NIOSSL", "Crypto", "CryptoExtras", "AsyncHTTPClient", "_CryptoExtras"].contains(module) {
            return "it brings a second TLS stack (BoringSSL) into the process: use the target TLS, which is OpenSSL"
        }
        if pure.contains(target) {
            return
                "\(target) is pure: pass in what it needs (`at now: Instant`, `using: &rng`, bytes) and return effects"
        }
        if let allowed = allowed[target] {
            return "allowed here: \(allowed.sorted().joined(separator: ", ")); move the code, or the arrow "
                + "in Arrows.swift, Package.swift and docs/ARCHITECTURE.md together"
        }
        return "add \(target) to Arrows.swift and docs/ARCHITECTURE.md"
    }
}
