import Authority
import Client
import FoundationEssentials
import Glibc
import NIOConcurrencyHelpers
import NIOCore
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("agents that can not start, and disks that are full")
    struct StartTests {
        /// Root alone is not enough: most containers do not let their root mount.
        private static func canMount() async throws -> Bool {
            let folder = FileManager.default.temporaryDirectory.appending(path: "roost-mount-\(UUID().uuidString)").path
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            defer { rmdir(folder) }
            guard mount("tmpfs", folder, "tmpfs", 0, "size=64k") == 0 else { return false }
            return umount(folder) == 0
        }

        /// Starts an agent that shall refuse to run.
        private func refused(
            _ cluster: TestCluster, _ arguments: [String], _ status: Int32, _ parts: [String],
            _ location: SourceLocation = #_sourceLocation
        ) async throws {
            let ran = try await cluster.run(TestCluster.roost, arguments, within: .seconds(60))
            #expect(ran.ending == .exited(status), "\(ran.output)", sourceLocation: location)
            for part in parts {
                #expect(ran.output.contains(part), "\(ran.output)", sourceLocation: location)
            }
        }

        @Test("unknown keys and bad values: exit 78 with the key, the value and what is allowed")
        func configuration() async throws {
            try await TestCluster.run { cluster in
                try await cluster.add("moshi")
                func file(_ text: String) throws -> [String] {
                    let path = "\(cluster.path)/agent.yaml"
                    try text.write(toFile: path, atomically: true, encoding: .utf8)
                    return ["agent", "--config", path]
                }
                try await refused(
                    cluster, file("relocation: {dealy: 3s}\n"), 78, ["relocation.dealy", "relocation.delay"])
                try await refused(cluster, file("replicas: many\n"), 78, ["replicas", "many", "allowed"])
                try await refused(cluster, file("bind: [1, 2\n"), 78, ["agent.yaml"])
                try await refused(cluster, ["agent", "--config", "\(cluster.path)/none.yaml"], 78, ["none.yaml"])
                try await refused(
                    cluster, cluster.arguments("moshi", joining: [], ["certs": "\(cluster.path)/nowhere"]), 78,
                    ["nowhere"])
                try await refused(
                    cluster, cluster.arguments("moshi", joining: [], ["certs": cluster.certificates("client")]), 78,
                    ["not for a node"])
                let yesterday = Int64(Date().timeIntervalSince1970) - 86_400
                _ = try cluster.authority.issue(
                    role: .node, name: NodeName("late"), validity: .seconds(3600), now: yesterday,
                    into: "\(cluster.path)/late")
                try await refused(
                    cluster, cluster.arguments("moshi", joining: [], ["certs": "\(cluster.path)/late"]), 78, ["expired"]
                )
                #expect(access("\(cluster.path)/moshi.data", F_OK) != 0, "a refused start left a data folder")
            }
        }

        @Test("a busy port, and a data folder that is in use, another node's or another user's, are named")
        func inTheWay() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("moshi")
                try await cluster.put("kept", [1, 2, 3], through: cluster.client("moshi"))
                let port = try await cluster.endpoint("moshi")
                try await refused(
                    cluster, cluster.arguments("tanga", joining: [], ["bind": "\(port)"]), 1, ["\(port.port)"])
                try await refused(
                    cluster, cluster.arguments("tanga", joining: [], ["bind": "192.0.2.1:7667"]), 78,
                    ["192.0.2.1", "bind"])
                try await refused(
                    cluster, cluster.arguments("tanga", joining: [], ["socket": "\(cluster.path)"]), 78,
                    [cluster.path, "socket"])
                // No second try would make it a folder, so systemd shall not make one.
                let inFile = "\(cluster.certificates("moshi"))/cert.pem/data"
                try await refused(cluster, cluster.arguments("tanga", joining: [], ["data_dir": inFile]), 78, [inFile])
                let data = "\(cluster.path)/moshi.data"
                let elsewhere = try FreePort.find(besides: [port.port])
                try await refused(
                    cluster,
                    cluster.arguments(
                        "moshi", joining: [],
                        ["bind": "127.0.0.1:\(elsewhere)", "socket": "\(cluster.path)/second.sock"]), 1, [data])
                let client = try await cluster.client("moshi")
                #expect(try await client.getBytes("kept").bytes == [1, 2, 3])
                await client.close()
                #expect(try await cluster.stop("moshi") == .exited(0))

                try await refused(
                    cluster, cluster.arguments("tanga", joining: [], ["data_dir": data]), 78, ["moshi", data])
                if getuid() == 0 {
                    #expect(chown(data, 12_345, 12_345) == 0)
                    try await refused(cluster, cluster.arguments("moshi", joining: [], [:]), 78, [data, "12345"])
                    #expect(chown(data, 0, 0) == 0)
                }
                try await cluster.start("moshi")
                #expect(try await cluster.client("moshi").getBytes("kept").bytes == [1, 2, 3])
            }
        }

        @Test(
            "a full disk is a 507 that loses nothing, and ends when there is room",
            .enabled("mounting a small tmpfs needs the right to mount") { try await canMount() })
        func fullDisk() async throws {
            try await TestCluster.run { cluster in
                let data = "\(cluster.path)/small"
                try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: false)
                let mounted = try await cluster.run(
                    "/usr/bin/mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", data])
                try #require(mounted.ending == .exited(0), "\(mounted.output)")
                defer { umount2(data, Int32(MNT_DETACH)) }
                try await cluster.start("moshi", ["data_dir": "\(data)/moshi"])
                let client = try await cluster.client("moshi")
                let fits = Sample.bytes(8 << 20, seed: 1)
                try await cluster.put("fits", fits, through: client)
                for attempt in 0..<3 {
                    do {
                        _ = try await client.put("too-large-\(attempt)", bytes: Sample.bytes(20 << 20, seed: 2))
                        Issue.record("20 MiB went onto a disk with less room")
                    } catch ClientError.status(let status, let problem, _, _) {
                        #expect(status == 507, "\(problem)")
                    }
                }
                // What announces its size is refused before its first byte is asked for.
                let asked = NIOLockedValueBox(false)
                let body = AsyncThrowingStream<ByteBuffer, any Error> {
                    asked.withLockedValue { $0 = true }
                    return nil
                }
                let early = try await client.send(
                    ClientRequest("PUT", "/v1/resources/early", body: .stream(length: 20 << 20, body)))
                #expect(early.status == 507)
                #expect(!asked.withLockedValue { $0 })
                #expect(try await client.getBytes("fits").bytes == fits)
                #expect(try await client.list().resources.map(\.name) == ["fits"])
                // The failed ones left nothing behind: this fits again.
                _ = try await client.put("fits-too", bytes: Sample.bytes(6 << 20, seed: 3))
                #expect(try await client.getBytes("fits-too").bytes == Sample.bytes(6 << 20, seed: 3))
                await client.close()
                try await cluster.kill("moshi")
                try await cluster.start("moshi", ["data_dir": "\(data)/moshi"])
                #expect(try await cluster.client("moshi").getBytes("fits").bytes == fits)
                _ = try await cluster.stop("moshi")
            }
        }
    }
}
