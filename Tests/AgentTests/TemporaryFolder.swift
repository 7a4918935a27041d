import FoundationEssentials

/// A folder of one test, with a path short enough for a unix socket; gone when the value is.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        let name = String(UInt64.random(in: .min ... .max), radix: 36)
        path = "/tmp/roost-\(name)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }
}
