import FoundationEssentials
import Glibc

/// The one place that a demo writes to.
struct DemoFolder: Sendable {
    let path: String

    /// A new folder under `$TMPDIR`, or /tmp when that is not set or so long that no unix socket fits below it.
    static func create() throws -> DemoFolder {
        let wanted = Environment["TMPDIR"] ?? "/tmp"
        let parent = wanted.hasPrefix("/") && wanted.utf8.count <= 48 ? wanted : "/tmp"
        var template = Array("\(parent)/roost-demo-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { buffer in buffer.baseAddress.flatMap { mkdtemp($0) } != nil
        }
        guard made else {
            throw DemoFailure(
                "making a folder in \(parent) failed: \(String(cString: strerror(errno))); "
                    + "set TMPDIR to a folder that you may write to")
        }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let folder = DemoFolder(path: path)
        try folder.make("logs")
        try folder.make("certs")
        return folder
    }

    var authority: String { "\(path)/ca" }
    var otherAuthority: String { "\(path)/other-ca" }
    var logs: String { "\(path)/logs" }

    func certificates(_ name: String) -> String { "\(path)/certs/\(name)" }
    func log(_ node: String) -> String { "\(logs)/\(node).log" }
    func node(_ name: String) -> String { "\(path)/\(name)" }

    func make(_ name: String) throws {
        guard mkdir("\(path)/\(name)", 0o700) == 0 || errno == EEXIST else {
            throw DemoFailure("making \(path)/\(name) failed: \(String(cString: strerror(errno)))")
        }
    }

    func write(_ text: String, to file: String) throws {
        do { try Data(text.utf8).write(to: URL(filePath: "\(path)/\(file)")) } catch {
            throw DemoFailure("writing \(path)/\(file) failed: \(error)")
        }
    }

    func append(text: String, to file: String) throws {
        let descriptor = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw DemoFailure("making \(file) failed: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        guard
            text.utf8.withContiguousStorageIfAvailable({ Glibc.write(descriptor, $0.baseAddress, $0.count) })
                == text.utf8.count
        else { throw DemoFailure("writing \(file) failed: \(String(cString: strerror(errno)))") }
    }

    /// Adds the bytes of one file to the end of another.
    func append(_ source: String, to target: String) throws {
        do {
            let whole = try Data(contentsOf: URL(filePath: target)) + Data(contentsOf: URL(filePath: source))
            try whole.write(to: URL(filePath: target))
        } catch {
            throw DemoFailure("appending \(source) to \(target) failed: \(error)")
        }
    }

    /// Takes away what a node's agent stored: a disk that was replaced.
    func empty(_ node: String) throws {
        // The folder itself may be where a file system is mounted.
        let data = "\(self.node(node))/data"
        do {
            for entry in try FileManager.default.contentsOfDirectory(atPath: data) {
                try FileManager.default.removeItem(atPath: "\(data)/\(entry)")
            }
        } catch {
            throw DemoFailure("emptying \(data) failed: \(error)")
        }
    }

    /// The end of a node's log, for a message.
    func lastLine(_ node: String) -> String {
        let text = (try? String(contentsOfFile: log(node), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").last.map(String.init) ?? "its log is empty"
    }

    /// - Parameter keepingLogs: for a story that failed.
    func remove(keepingLogs: Bool) {
        let kept = keepingLogs ? ["logs"] : []
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        for entry in entries where !kept.contains(entry) {
            do { try FileManager.default.removeItem(atPath: "\(path)/\(entry)") } catch {
                Terminal.say("roost: removing \(path)/\(entry) failed: \(error); remove it by hand")
            }
        }
        if !keepingLogs { rmdir(path) }
    }
}
