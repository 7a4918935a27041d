import FoundationEssentials
import Glibc
import Testing

@testable import roost

extension ProcessTests {
    @Suite("roost demo")
    struct DemoTests {
        /// Whether a process runs that has the text among its arguments.
        private func isRunning(with text: String) throws -> Bool {
            for entry in try FileManager.default.contentsOfDirectory(atPath: "/proc") where Int(entry) != nil {
                guard let arguments = try? Data(contentsOf: URL(filePath: "/proc/\(entry)/cmdline")) else { continue }
                // The demo itself has the folder in its environment only.
                if String(decoding: arguments, as: UTF8.self).contains(text) { return true }
            }
            return false
        }

        private func expectNothingLeft(_ folder: String) async throws {
            try await Patience.wait(atMost: .seconds(10), for: "\(folder) to be empty") { () -> Patience.Look<Void> in
                let left = try FileManager.default.contentsOfDirectory(atPath: folder)
                let runs = try isRunning(with: folder + "/roost-demo")
                return left.isEmpty && !runs ? .done(()) : .notYet("\(left), processes: \(runs)")
            }
        }

        private func folder(_ cluster: TestCluster) throws -> String {
            let path = "\(cluster.path)/tmp"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            return path
        }

        @Test("tells all nine steps, exits with 0 and leaves nothing behind")
        func whole() async throws {
            try await TestCluster.run { cluster in
                let folder = try folder(cluster)
                let ran = try await cluster.run(
                    TestCluster.roost, ["demo", "--json"], within: .seconds(300), environment: ["TMPDIR": folder])
                #expect(ran.ending == .exited(0), "\(ran.output)")
                let lines = ran.output.split(separator: "\n").filter { $0.hasPrefix("{") }
                #expect(lines.count == 10 && lines.allSatisfy { $0.contains("\"ok\":true") }, "\(ran.output)")
                try await expectNothingLeft(folder)
            }
        }

        @Test("leaves nothing behind when Ctrl-C or SIGKILL comes in the middle", arguments: [SIGINT, SIGKILL])
        func interrupted(signal: Int32) async throws {
            try await TestCluster.run { cluster in
                let folder = try folder(cluster)
                let demo = try await cluster.launch(TestCluster.roost, ["demo"], environment: ["TMPDIR": folder])
                try await Patience.wait(atMost: .seconds(120), for: "two steps") { () -> Patience.Look<Void> in
                    let text = (try? String(contentsOfFile: demo.logPath, encoding: .utf8)) ?? ""
                    if let ending = await demo.poll() { throw DemoFailure("ended with \(ending): \(text)") }
                    return text.split(separator: "\n").count >= 2 ? .done(()) : .notYet(text)
                }
                await demo.send(signal)
                let ending = try await demo.end(within: .seconds(10))
                #expect(ending == (signal == SIGINT ? .exited(130) : .killed(signal: SIGKILL)))
                try await expectNothingLeft(folder)
            }
        }
    }
}
