// swift-tools-version: 6.2
import PackageDescription

// The targets and the only arrows allowed between them: see docs/ARCHITECTURE.md.
// Tests/TidyTests reads the sources and fails on an import that is not listed there.

// .ci/fuzz sets this for its own builds (in .build/fuzz), and nobody else: libFuzzer's program, and our code as the tests
// see it (`@testable`, assertions on), optimised.
let isFuzzing = Context.environment["ROOST_FUZZ"] != nil

let swiftSettings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        // A warning in our own sources is an error; those of the dependencies are theirs.
        .treatAllWarnings(as: .error),
    ]
    + (isFuzzing
        // Without the visibility of members: which C module is taken to define `timespec` differs in such a build.
        ? [.unsafeFlags(["-enable-testing", "-assert-config", "Debug"])]
        : [.enableUpcomingFeature("MemberImportVisibility")])

// The pure cores are optimised in debug builds too: the simulation tests spend their whole time in them, and run
// several times as many seeds in the same minutes. `assert` stays on, and `@testable import` works as before.
let pureSettings = swiftSettings + [.unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))]

func pure(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: pureSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil) -> Target {
    .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: swiftSettings)
}

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioLocks: Target.Dependency = .product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let collections: Target.Dependency = .product(name: "Collections", package: "swift-collections")

let fuzzed: [Target.Dependency] = [
    "Vocabulary", "SWIM", "Resources", "Relocation", "Node", "TLS", "Gossip", "Storage", "Authority", "Client",
    "Agent",
    nioCore,
    nioHTTP1, nioEmbedded, logging,
    .product(name: "GRDB", package: "GRDB.swift"),
    .product(name: "HTTPTypes", package: "swift-http-types"),
    .product(name: "Hummingbird", package: "hummingbird"),
]

let package = Package(
    name: "roost",
    platforms: [.macOS(.v14)],
    products: [
        .executable(name: "roost", targets: ["roost"]),
        .executable(name: "roost-sim", targets: ["roost-sim"]),
        .executable(name: "roost-fuzz", targets: ["roost-fuzz"]),
    ],
    // Exactly these, the ones that were built and tested: Package.resolved is not in the repository, and where a warning
    // is an error, a later release that deprecates something we call would break a fresh clone. Raise them on purpose.
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1", traits: []),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    targets: [
        // The pure cores: no I/O, no clock, no randomness but what is passed in.
        pure("Vocabulary"),
        pure("SWIM", ["Vocabulary", collections]),
        pure("Resources", ["Vocabulary"]),
        pure("Placement", ["Vocabulary"]),
        pure("Relocation", ["Vocabulary", "Placement", "Resources", collections]),
        pure("Node", ["Vocabulary", "SWIM", "Placement", "Resources", "Relocation"]),

        // The shell.
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .target(
            name: "TLS",
            dependencies: ["Vocabulary", "COpenSSL", nioCore, nioLocks],
            swiftSettings: swiftSettings),
        .target(
            name: "Gossip", dependencies: ["Vocabulary", "SWIM", "TLS"], swiftSettings: swiftSettings),
        .target(name: "Authority", dependencies: ["Vocabulary", "TLS"], swiftSettings: swiftSettings),
        .target(
            name: "Storage",
            dependencies: [
                "Vocabulary", "Resources", "TLS", nioCore, nioPosix, nioLocks,
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: swiftSettings),
        .target(
            name: "Client",
            dependencies: ["Vocabulary", "TLS", nioCore, nioPosix, nioHTTP1, nioLocks],
            swiftSettings: swiftSettings),
        .target(
            name: "Agent",
            dependencies: [
                "Vocabulary", "SWIM", "Placement", "Resources", "Relocation", "Node", "TLS", "Gossip",
                "Storage", "Authority", "Client", nioCore, nioPosix, nioLocks, logging,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Yams", package: "Yams"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: swiftSettings),

        // The simulator: the other shell of the same cores.
        .target(
            name: "Simulation",
            dependencies: ["Vocabulary", "SWIM", "Placement", "Resources", "Relocation", "Node", collections],
            swiftSettings: pureSettings),
        // What the two programs for developers say of their progress.
        .target(name: "Console", dependencies: ["Vocabulary"], swiftSettings: swiftSettings),
        .executableTarget(
            name: "roost-sim", dependencies: ["Vocabulary", "SWIM", "Simulation", "Console", arguments],
            swiftSettings: swiftSettings),

        // The fuzzer: any datagram whatever, into the parts that read them.
        .executableTarget(
            name: "roost-fuzz", dependencies: ["Vocabulary", "SWIM", "Gossip", "TLS", "Console", arguments],
            swiftSettings: pureSettings),

        // The command line.
        .executableTarget(
            name: "roost",
            dependencies: ["Vocabulary", "Agent", "Client", "Authority", arguments, logging],
            swiftSettings: swiftSettings),

        tests("TidyTests", []),
        tests("VocabularyTests", ["Vocabulary"]),
        tests("SWIMTests", ["Vocabulary", "SWIM"], resources: [.copy("Stories")]),
        tests("ResourcesTests", ["Vocabulary", "Resources"]),
        tests("PlacementTests", ["Vocabulary", "Placement"]),
        tests("RelocationTests", ["Vocabulary", "Placement", "Resources", "Relocation"]),
        tests("NodeTests", ["Vocabulary", "SWIM", "Placement", "Resources", "Relocation", "Node"]),
        tests("TLSTests", ["Vocabulary", "TLS", "Authority", nioCore, nioPosix, nioEmbedded]),
        tests("GossipTests", ["Vocabulary", "SWIM", "TLS", "Gossip"]),
        tests("AuthorityTests", ["Vocabulary", "TLS", "Authority"]),
        tests(
            "StorageTests",
            [
                "Vocabulary", "Resources", "TLS", "Storage", nioCore, nioPosix, nioLocks,
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ]),
        tests("ClientTests", ["Vocabulary", "TLS", "Authority", "Client", nioCore, nioPosix, nioHTTP1]),
        tests(
            "AgentTests",
            [
                "Vocabulary", "SWIM", "Placement", "Resources", "Relocation", "Node", "TLS", "Gossip", "Storage",
                "Client", "Agent",
                "Authority", nioCore, nioPosix, nioLocks, nioEmbedded, logging,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        tests("SimulationTests", ["Vocabulary", "SWIM", "Placement", "Resources", "Relocation", "Node", "Simulation"]),
        // Real processes of the built `roost` on loopback; it must be built before they run.
        tests(
            "ProcessTests",
            ["Vocabulary", "SWIM", "Client", "Authority", "TLS", "Gossip", "roost", nioCore, nioPosix]),
        // What the coverage-guided fuzzer feeds: tests that run its corpus or, in the fuzzer's own build, its program.
        isFuzzing
            ? .executableTarget(
                name: "roost-fuzz-guided", dependencies: fuzzed, path: "Tests/FuzzTests",
                exclude: ["CorpusTests.swift"],
                sources: ["Program", "Subjects"], swiftSettings: swiftSettings)
            : .testTarget(
                name: "FuzzTests", dependencies: fuzzed, exclude: ["Program"], swiftSettings: swiftSettings),
    ]
)
