import Client
import FoundationEssentials
import Glibc
import Testing

@testable import roost

extension ProcessTests {
    @Suite("put - from a pipe")
    struct PipeTests {
        /// A named pipe that stays open for writing: whoever reads it waits for more until the test ends.
        private final class SilentPipe {
            let path: String
            private let descriptor: Int32

            init(_ path: String) throws {
                self.path = path
                try #require(mkfifo(path, 0o600) == 0)
                descriptor = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
                try #require(descriptor >= 0)
            }

            deinit { close(descriptor) }

            /// As much as a pipe takes at once without a reader.
            func write(_ bytes: [UInt8]) throws {
                try #require(bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) } == bytes.count)
            }
        }

        private func put(_ cluster: TestCluster, from pipe: SilentPipe, as name: String) async throws -> ChildProcess {
            try await cluster.launch(
                "/bin/sh",
                [
                    "-c", "exec \"$0\" put - \"$2\" --agent \"$3\" --certs \"$4\" <\"$1\"", TestCluster.roost,
                    pipe.path,
                    name, "https://\(try await cluster.endpoint("kitale"))", cluster.certificates("client"),
                ])
        }

        private func output(_ child: ChildProcess) -> String {
            (try? String(contentsOfFile: child.logPath, encoding: .utf8)) ?? ""
        }

        @Test("a refusal in the middle ends the command, although its input stays open and silent")
        func refused() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kitale", ["limits.body": "10KiB"])
                let pipe = try SilentPipe("\(cluster.path)/pipe")
                let child = try await put(cluster, from: pipe, as: "large")
                try pipe.write(Sample.bytes(60_000, seed: 1))
                let ending = try await child.end(within: .seconds(45))
                #expect(ending == .exited(1), "\(output(child))")
                #expect(output(child).contains("413"))
            }
        }

        @Test("so does the death of the agent, and it is told how long an agent waits for a pipe")
        func killed() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kitale")
                let pipe = try SilentPipe("\(cluster.path)/pipe")
                let child = try await put(cluster, from: pipe, as: "unfinished")
                try pipe.write(Sample.bytes(60_000, seed: 1))
                let incoming = "\(cluster.path)/kitale.data/incoming"
                try await Patience.wait(atMost: .seconds(60), for: "the put to arrive") { () -> Patience.Look<Void> in
                    let files = try FileManager.default.contentsOfDirectory(atPath: incoming)
                    return files.isEmpty ? .notYet("nothing in \(incoming)") : .done(())
                }
                try await cluster.kill("kitale")
                let ending = try await child.end(within: .seconds(45))
                #expect(ending == .exited(69), "\(output(child))")
                #expect(output(child).contains("60 s"), "\(output(child))")
            }
        }
    }
}
