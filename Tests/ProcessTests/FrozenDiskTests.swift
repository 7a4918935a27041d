import Client
import FoundationEssentials
import Glibc
import Testing

@testable import roost

extension ProcessTests {
    @Suite("disks that hang")
    struct FrozenDiskTests {
        private static let tools = ["/usr/sbin/mkfs.ext4", "/usr/bin/mount", "/usr/sbin/fsfreeze"]

        /// A small ext4 of its own at `path`, for as long as `body` runs.
        ///
        /// - Returns: nil where this user, or this kernel, has no loop devices to mount.
        private static func withDisk<R>(
            _ cluster: TestCluster, at path: String, _ body: () async throws -> R
        ) async throws -> R? {
            let image = "\(path).ext4"
            let file = open(image, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
            try #require(file >= 0 && ftruncate(file, 64 << 20) == 0)
            close(file)
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            guard tools.allSatisfy({ access($0, X_OK) == 0 }),
                try await cluster.run(tools[0], ["-q", image]).ending == .exited(0),
                try await cluster.run(tools[1], ["-o", "loop", image, path]).ending == .exited(0)
            else { return nil }
            defer { umount2(path, Int32(MNT_DETACH)) }
            return try await body()
        }

        private static func canFreeze() async throws -> Bool {
            var can = false
            try await TestCluster.run { cluster in
                let disk = "\(cluster.path)/disk"
                can =
                    try await withDisk(cluster, at: disk) {
                        guard try await cluster.run(tools[2], ["-f", disk]).ending == .exited(0) else { return false }
                        return try await cluster.run(tools[2], ["-u", disk]).ending == .exited(0)
                    } ?? false
            }
            return can
        }

        @Test(
            "with a disk that hangs the watchdog is not fed, and the log says why; when it answers again, it is",
            .enabled("freezing a disk needs the right to mount one") { try await canFreeze() })
        func watchdog() async throws {
            try await TestCluster.run { cluster in
                let disk = "\(cluster.path)/frozen"
                let systemd = try #require(NotifySocket("\(cluster.path)/notify"))
                func hear(_ what: String, _ isIt: ([String]) -> Bool) async throws {
                    var heard: [String] = []
                    try await Patience.wait(atMost: .seconds(60), for: what) { () -> Patience.Look<Void> in
                        heard += systemd.messages()
                        return isIt(heard) ? .done(()) : .notYet("\(heard)")
                    }
                }
                func read(_ words: String) async throws {
                    try await Patience.wait(atMost: .seconds(60), for: words) { () -> Patience.Look<Void> in
                        let log = try cluster.logText("moshi")
                        return log.contains(words) ? .done(()) : .notYet(log)
                    }
                }
                let interval = Duration.seconds(2)
                let isDone: Void? = try await Self.withDisk(cluster, at: disk) {
                    try await cluster.start(
                        "moshi", ["data_dir": "\(disk)/moshi"],
                        environment: ["NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": "2000000"])
                    try await hear("two feedings") { $0.count { $0 == "WATCHDOG=1" } >= 2 }
                    let client = try await cluster.client("moshi")
                    try await cluster.put("before", [1], through: client)

                    try #require(try await cluster.run(Self.tools[2], ["-f", disk]).ending == .exited(0))
                    do {
                        try await read("the disk does not answer; the watchdog is not fed")
                        _ = systemd.messages()
                        // As long as systemd would wait, and as much again.
                        try await Task.sleep(for: interval * 2)
                        let heard = systemd.messages()
                        #expect(!heard.contains("WATCHDOG=1"), "\(heard)")
                        // It is the disk alone that hangs.
                        #expect(try await client.members().map(\.name) == ["moshi"])
                    } catch {
                        _ = try await cluster.run(Self.tools[2], ["-u", disk])
                        throw error
                    }
                    try #require(try await cluster.run(Self.tools[2], ["-u", disk]).ending == .exited(0))
                    try await hear("it is fed again") { $0.contains("WATCHDOG=1") }
                    try await read("the disk answers again")
                    try await cluster.put("after", [2], through: client)
                    for (name, byte) in [("before", 1), ("after", 2)] as [(String, UInt8)] {
                        #expect(try await client.getBytes(name).bytes == [byte])
                    }
                    await client.close()
                    _ = try await cluster.stop("moshi")
                }
                try #require(isDone != nil)
            }
        }
    }
}
