import COpenSSL
import Foundation
import NIOCore
import NIOEmbedded
import Synchronization
import Testing
import Vocabulary

@testable import TLS

private let variable = "ROOST_TEST_COUNT_ALLOCATIONS"
private let isCounting = ProcessInfo.processInfo.environment[variable] != nil
#if os(Linux)
    private let isLinux = true
#else
    private let isLinux = false
#endif

/// Nothing of a connection outlives it. OpenSSL's own allocations are counted one by one, which must begin before it
/// makes the first and with no other test beside: this test binary is run again, with only this suite and a variable.
struct LeakTests {
    @Test(
        "10,000 connections, good, refused and abandoned, leave nothing behind in OpenSSL or in Swift",
        .enabled(if: !isCounting && isLinux))
    func leavesNothing() throws {
        let process = Process()
        process.executableURL = URL(
            fileURLWithPath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        process.arguments = ["--filter", "TLSTests.LeakTests", "--testing-library", "swift-testing"]
        process.environment = ProcessInfo.processInfo.environment.merging([variable: "1"]) { $1 }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let watchdog = DispatchWorkItem { process.terminate() }
        DispatchQueue.global().asyncAfter(deadline: .now() + 300, execute: watchdog)
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        watchdog.cancel()
        #expect(process.terminationStatus == 0, "\(text)")
        #expect(text.contains(Self.done), "\(text)")
    }

    private static let done = "10000 connections counted"

    @Test("(in a process of its own) the count", .enabled(if: isCounting))
    func count() throws {
        try #require(Allocations.begin(), "OpenSSL has allocated already: its functions can not be replaced any more")
        let rounds = try Rounds()
        // The first rounds fill OpenSSL's and the allocator's caches.
        for round in 0..<1_000 { try rounds.once(round) }
        let before = (Allocations.live, TLSSession.liveCount, try Allocations.residentBytes())
        for round in 1_000..<10_000 { try rounds.once(round) }
        let grown = (
            Allocations.live - before.0, TLSSession.liveCount - before.1, try Allocations.residentBytes() - before.2
        )

        #expect(rounds.completed == 5_000)
        #expect(rounds.ghosts.count == 20)
        #expect(rounds.ghosts.allSatisfy { $0.isGone })
        #expect(before.0 > 100, "the count counts")
        // OpenSSL's queue of errors keeps the texts of its last 16, whichever those are.
        #expect(abs(grown.0) <= 16, "\(grown.0) of OpenSSL's allocations live on")
        #expect(grown.1 == 0, "\(grown.1) SSL objects live on")
        // A lost kilobyte for each connection would be 9 MB.
        #expect(grown.2 < 8 << 20, "grew by \(grown.2) bytes")
        print("\(Self.done): \(grown)")
    }
}

/// Connections of each kind, one after the other, on one thread.
private final class Rounds {
    /// Weak references to what must be gone.
    struct Ghost {
        weak var handler: TLSHandler?
        weak var session: TLSSession?
        weak var wire: WireBuffers?
        weak var channel: EmbeddedChannel?

        var isGone: Bool { handler == nil && session == nil && wire == nil && channel == nil }
    }

    private(set) var ghosts: [Ghost] = []
    private(set) var completed = 0
    private let authority: TestAuthority
    private let folder: String
    private var simba: TLSContext
    private let hyena: TLSContext
    private let foreign: TLSContext
    private let naked: TLSContext

    init() throws {
        authority = try TestAuthority()
        folder = try authority.issue(["roost://pride/node/simba"])
        simba = try TLSContext(credentials: Credentials(folder: folder))
        hyena = try authority.context("roost://clan/node/fisi")
        let foreignAuthority = try TestAuthority(commonName: "Foreign CA")
        let stranger = try foreignAuthority.issue(["roost://pride/node/fisi"], trusting: authority)
        foreign = try TestAuthority.context(odd: stranger, as: "roost://pride/node/fisi")
        withExtendedLifetime(foreignAuthority) {}
        naked = try TLSContext(credentials: Credentials(folder: folder), presenting: false)
    }

    func once(_ round: Int) throws {
        // As at a reload.
        if round % 50 == 0 { simba = try TLSContext(credentials: Credentials(folder: folder)) }
        let client =
            switch round % 8 {
            case 3: hyena
            case 5: foreign
            case 6: naked
            default: simba
            }
        let pair = try EmbeddedPair(client: client, server: simba)
        if round % 8 == 7 {
            // Abandoned halfway.
            try pair.move(from: pair.client, to: pair.server)
        } else {
            pair.client.writeAndFlush(ByteBuffer(string: "x"), promise: nil)
            try pair.carry()
        }
        if pair.clientEnd.record.errors.isEmpty { completed += pair.serverEnd.record.handshakes }
        if round % 500 == 0 {
            ghosts.append(
                Ghost(
                    handler: pair.serverTLS, session: pair.serverTLS.session, wire: pair.serverTLS.session?.wire,
                    channel: pair.server))
        }
        pair.end()
    }
}

private let liveAllocations = Atomic<Int>(0)

/// How many allocations of OpenSSL live, counted by standing between it and the allocator.
private enum Allocations {
    static var live: Int { liveAllocations.load(ordering: .relaxed) }

    /// Everything that the process has in memory, Swift's objects included.
    static func residentBytes() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        return try #require(pages) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// - Returns: false when OpenSSL has allocated something before.
    static func begin() -> Bool {
        CRYPTO_set_mem_functions(
            { bytes, _, _ in
                liveAllocations.add(1, ordering: .relaxed)
                return malloc(bytes)
            },
            { old, bytes, _, _ in
                if old == nil { liveAllocations.add(1, ordering: .relaxed) }
                guard bytes > 0 else {
                    if old != nil { liveAllocations.subtract(1, ordering: .relaxed) }
                    free(old)
                    return nil
                }
                return realloc(old, bytes)
            },
            { old, _, _ in
                if old != nil { liveAllocations.subtract(1, ordering: .relaxed) }
                free(old)
            }) == 1
    }
}
