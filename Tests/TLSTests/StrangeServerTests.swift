import Foundation
import NIOCore
import NIOPosix
import Testing
import Vocabulary

@testable import TLS

/// Our client against servers that are OpenSSL, and not ours.
struct StrangeServerTests {
    let authority: TestAuthority
    let simba: TLSContext

    init() throws {
        authority = try TestAuthority()
        simba = try authority.context("roost://pride/node/simba")
    }

    /// What our client says of `openssl s_server` with a good node certificate and the arguments.
    private func error(_ arguments: [String]) async throws -> TLSError? {
        let folder = try authority.issue(["roost://pride/node/nala"])
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.arguments =
            [
                "s_server", "-accept", "127.0.0.1:0", "-cert", folder + "/cert.pem", "-key", folder + "/key.pem",
                "-CAfile", folder + "/ca.pem", "-Verify", "3", "-naccept", "1",
            ] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        let input = Pipe()
        process.standardInput = input
        try process.run()
        let watchdog = DispatchWorkItem { process.terminate() }
        DispatchQueue.global().asyncAfter(deadline: .now() + 20, execute: watchdog)
        defer {
            process.terminate()
            process.waitUntilExit()
            watchdog.cancel()
        }
        // "ACCEPT 127.0.0.1:PORT" says when it listens, and where.
        var text = ""
        while !text.contains("ACCEPT") || text.last != "\n" {
            let part = output.fileHandleForReading.availableData
            try #require(!part.isEmpty, "\(text)")
            text += String(decoding: part, as: UTF8.self)
        }
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("ACCEPT") })
        let port = try #require(line.split(separator: ":").last.flatMap { Int($0) })

        let end = Recorder()
        let simba = simba
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        TLSHandler.client(context: simba, expecting: .anyNode), end,
                    ])
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        #expect(await eventually { end.record.handshakes == 1 || end.record.inactive })
        #expect((end.record.handshakes == 1) == end.record.errors.isEmpty)
        try? await channel.close()
        return end.record.tlsErrors.first
    }

    @Test("one that speaks TLS 1.3 and our protocol passes")
    func good() async throws {
        #expect(try await error(["-tls1_3", "-alpn", "http/1.1"]) == nil)
    }

    @Test("one that picks no protocol is refused: it may take our bytes for anything")
    func noProtocol() async throws {
        #expect(try await error(["-tls1_3"]) == .noCommonProtocol)
    }

    @Test("one that knows other protocols only is refused")
    func otherProtocol() async throws {
        #expect(try await error(["-tls1_3", "-alpn", "h2"]) == .noCommonProtocol)
    }

    @Test("one that speaks TLS 1.2 only is refused, and named for it")
    func oldVersion() async throws {
        #expect(try await error(["-tls1_2", "-alpn", "http/1.1"]) == .oldVersion)
    }
}
