import Foundation
import Testing

/// One TLS stack in the process: what was built is asked, beside the imports, since a dependency of a dependency may
/// bring its own.
@Suite("The programs link OpenSSL once, and no other TLS")
struct LinkingTests {
    /// Beside this test's own binary, where one build puts them all.
    private static let folder: String? = {
        #if os(Linux)
            let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            return path.map { ($0 as NSString).deletingLastPathComponent }
        #else
            return nil
        #endif
    }()

    private func program(_ name: String) throws -> String {
        let path = try #require(Self.folder) + "/" + name
        try #require(FileManager.default.isExecutableFile(atPath: path), "\(path) is built with the tests")
        return path
    }

    private func run(_ arguments: [String]) throws -> (status: Int32, lines: [Substring]) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text.split(separator: "\n"))
    }

    /// Whether the name of a symbol, or any other text, stands in the file.
    private func contains(_ text: String, in path: String) throws -> Bool {
        let status = try run(["grep", "-q", "-a", "-F", text, path]).status
        try #require(status == 0 || status == 1, "grep reads \(path)")
        return status == 0
    }

    private func libraries(of path: String) throws -> [String] {
        let ran = try run(["ldd", path])
        try #require(ran.status == 0)
        return ran.lines.compactMap { $0.split(separator: " ").first }.map {
            ($0.trimmingCharacters(in: .whitespaces) as NSString).lastPathComponent
        }
    }

    private static func isOfTLS(_ library: String) -> Bool {
        ["libssl", "libcrypto", "libgnutls", "libmbedtls", "libnss3", "libwolfssl"].contains { library.hasPrefix($0) }
    }

    @Test("roost has one libssl, one libcrypto, and nothing of BoringSSL", .enabled(if: folder != nil))
    func agent() throws {
        let path = try program("roost")
        let libraries = try libraries(of: path).filter(Self.isOfTLS)
        #expect(libraries.filter { $0.hasPrefix("libssl") } == ["libssl.so.3"])
        #expect(libraries.filter { $0.hasPrefix("libcrypto") } == ["libcrypto.so.3"])
        #expect(libraries.count == 2, "\(libraries)")
        #expect(try contains("SSL_CTX_new", in: path), "the search finds what is there")
        for name in ["BoringSSL", "BORINGSSL"] { #expect(try !contains(name, in: path)) }
    }

    @Test("the simulator links no TLS at all", .enabled(if: folder != nil))
    func simulator() throws {
        let path = try program("roost-sim")
        #expect(try libraries(of: path).filter(Self.isOfTLS).isEmpty)
        for name in ["BoringSSL", "SSL_CTX_new"] { #expect(try !contains(name, in: path)) }
    }
}
