import Authority
import Foundation
import Testing
import Vocabulary

/// `roost ca` as an operator types it: what stands on stdout, on stderr, and the exit status of CONTRACT.
@Suite("roost ca")
struct CaCommandTests {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "roost-ca-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    }

    private struct Ran {
        let status: Int32
        let out: String
        let error: String
    }

    /// Runs the `roost` that was built beside the tests.
    private func roost(_ arguments: String...) throws -> Ran {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appending(path: "roost")
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.standardInput = FileHandle.nullDevice
        // Through files: a full pipe can not block, and stdout and stderr stay apart.
        let names = (0..<2).map { _ in folder.appending(path: UUID().uuidString) }
        for name in names { _ = FileManager.default.createFile(atPath: name.path, contents: nil) }
        process.standardOutput = try FileHandle(forWritingTo: names[0])
        process.standardError = try FileHandle(forWritingTo: names[1])
        try process.run()
        process.waitUntilExit()
        let texts = try names.map { String(decoding: try Data(contentsOf: $0), as: UTF8.self) }
        for name in names { try FileManager.default.removeItem(at: name) }
        return Ran(status: process.terminationStatus, out: texts[0], error: texts[1])
    }

    @Test("a CA, a node and a reader: data on stdout, remarks on stderr, exit 0")
    func story() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let made = try roost("ca", "init", "pki", "--cluster", "savanna")
        #expect(made.status == 0, "\(made.error)")
        #expect(made.out == "pki/ca.pem\n")
        #expect(made.error.contains("savanna"))
        let node = try roost(
            "ca", "issue", "pki", "--node", "simba", "--ip", "10.0.0.7", "--ip", "fd00::7", "--dns",
            "simba.example.org",
            "--out", "certs/simba", "--days", "30", "--json")
        #expect(node.status == 0, "\(node.error)")
        let value = try #require(JSONSerialization.jsonObject(with: Data(node.out.utf8)) as? [String: String])
        #expect(value["uri"] == "roost://savanna/node/simba")
        #expect(value["role"] == "node")
        #expect(value["not_after"]?.hasSuffix("Z") == true)
        let reader = try roost("ca", "issue", "pki", "--reader", "amina", "--out", "certs/amina")
        #expect(reader.status == 0, "\(reader.error)")
        let issued = try CertificateAuthority.open(folder: folder.appending(path: "pki").path).issued()
        #expect(issued.map(\.name.uri) == ["roost://savanna/node/simba", "roost://savanna/reader/amina"])
        #expect(issued.map(\.serial).first == value["serial"])
    }

    @Test("each refusal has its exit status, one message with a remedy, and nothing on stdout")
    func refusals() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        #expect(try roost("ca", "init", "pki", "--cluster", "savanna").status == 0)
        func refused(_ status: Int32, _ part: String, _ ran: Ran) {
            #expect(ran.status == status, "\(ran.error)")
            #expect(ran.error.contains(part), "\(ran.error)")
            #expect(ran.out.isEmpty)
        }
        refused(73, "never overwritten", try roost("ca", "init", "pki", "--cluster", "savanna"))
        refused(64, "is not a cluster name", try roost("ca", "init", "pki2", "--cluster", "Savanna!"))
        refused(64, "is not a node name", try roost("ca", "issue", "pki", "--node", "../x", "--out", "o"))
        refused(64, "exactly one of", try roost("ca", "issue", "pki", "--out", "o"))
        refused(64, "exactly one of", try roost("ca", "issue", "pki", "--node", "a", "--admin", "b", "--out", "o"))
        refused(64, "is for nodes", try roost("ca", "issue", "pki", "--client", "a", "--ip", "10.0.0.1", "--out", "o"))
        refused(
            64, "without a port", try roost("ca", "issue", "pki", "--node", "a", "--ip", "10.0.0.1:1", "--out", "o"))
        refused(64, "--days", try roost("ca", "issue", "pki", "--node", "a", "--days", "0", "--out", "o"))
        refused(78, "roost ca init", try roost("ca", "issue", "none", "--node", "a", "--out", "o"))
        refused(64, "nknown option", try roost("ca", "issue", "pki", "--nod", "a", "--out", "o"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["pki"])
    }

    @Test("--version and --help answer on stdout with exit 0")
    func help() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let version = try roost("--version")
        #expect(version.status == 0)
        #expect(version.out.split(separator: ".").count == 3)
        let help = try roost("ca", "issue", "--help")
        #expect(help.status == 0)
        #expect(help.out.contains("--reader"))
    }
}
