import Foundation
import Testing

@testable import Authority

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A folder of its own for each test, gone afterwards.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        let path = NSTemporaryDirectory() + "roost-authority-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        self.path = path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A path inside.
    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}

/// What a program printed and how it ended.
struct Ran {
    let status: Int32
    let output: String
}

/// Runs a program found on PATH; both its streams in one text.
func run(_ arguments: [String], environment: [String: String] = [:], in folder: String? = nil) throws -> Ran {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let bytes = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Ran(status: process.terminationStatus, output: String(decoding: bytes, as: UTF8.self))
}

func openssl(_ arguments: String..., environment: [String: String] = [:], in folder: String? = nil) throws -> Ran {
    try run(["openssl"] + arguments, environment: environment, in: folder)
}

/// The permission bits.
func mode(of path: String) throws -> Int {
    let value = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
    return try #require(value as? Int)
}

func bytes(of path: String) throws -> [UInt8] {
    try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
}

func write(_ bytes: [UInt8], to path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
}

func names(in folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}

/// The top of the checkout.
let checkout = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

/// A small file system in memory; only the superuser may mount one.
struct Tmpfs {
    let path: String

    static let isPossible: Bool = {
        guard geteuid() == 0, let folder = try? TemporaryFolder(),
            let disk = try? Tmpfs(at: folder("x"), options: "size=4k")
        else { return false }
        disk.unmount()
        return true
    }()

    struct NotMounted: Error { let output: String }

    init(at path: String, options: String) throws {
        self.path = path
        mkdir(path, 0o700)
        let ran = try run(["mount", "-t", "tmpfs", "-o", options, "roost-test", path])
        guard ran.status == 0 else { throw NotMounted(output: ran.output) }
    }

    func unmount() { _ = try? run(["umount", path]) }
}
