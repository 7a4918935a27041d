import Client
import FoundationEssentials
import Glibc
import NIOConcurrencyHelpers
import NIOCore
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("disks that are full")
    struct FullDiskTests {
        /// Root alone is not enough: most containers do not let their root mount.
        private static func canMount() async throws -> Bool {
            let folder = FileManager.default.temporaryDirectory.appending(path: "roost-mount-\(UUID().uuidString)").path
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            defer { rmdir(folder) }
            guard mount("tmpfs", folder, "tmpfs", 0, "size=64k") == 0 else { return false }
            return umount(folder) == 0
        }

        /// A small disk at `path`, for as long as `body` runs.
        private func withDisk(
            _ megabytes: Int, at path: String, _ cluster: TestCluster, _ body: () async throws -> Void
        ) async throws {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            let mounted = try await cluster.run(
                "/usr/bin/mount", ["-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", path])
            try #require(mounted.ending == .exited(0), "\(mounted.output)")
            defer { umount2(path, Int32(MNT_DETACH)) }
            try await body()
        }

        /// - Returns: a file that takes all the room that there is.
        private func fill(_ disk: String) throws -> String {
            let path = "\(disk)/filler"
            let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
            try #require(file >= 0)
            defer { close(file) }
            let block = [UInt8](repeating: 0, count: 4_096)
            while write(file, block, block.count) > 0 {}
            try #require(errno == ENOSPC)
            return path
        }

        @Test(
            "a full disk is a 507 that loses nothing, and ends when there is room",
            .enabled("mounting a small tmpfs needs the right to mount") { try await canMount() })
        func fullDisk() async throws {
            try await TestCluster.run { cluster in
                let data = "\(cluster.path)/small"
                try await withDisk(24, at: data, cluster) {
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

        @Test(
            "a leave and a crash beside a full disk leave two copies of everything, and say whose disk it is",
            .enabled("mounting a small tmpfs needs the right to mount") { try await canMount() })
        func besideOthers() async throws {
            try await TestCluster.run { cluster in
                let disk = "\(cluster.path)/small"
                try await withDisk(32, at: disk, cluster) {
                    let names = ["meru", "moyale", "nakuru", "narok", "naivasha"]
                    try await cluster.start("meru")
                    for name in names[1...3] { try await cluster.start(name, joining: ["meru"]) }
                    try await cluster.start("naivasha", joining: ["meru"], ["data_dir": "\(disk)/data"])
                    try await cluster.settled(names)
                    let client = try await cluster.client("meru", role: .admin)
                    let files = (0..<40).map { "file-\($0)" }
                    for (number, file) in files.enumerated() {
                        try await cluster.put(file, Sample.bytes(100_000, seed: number), through: client)
                    }
                    try await cluster.settled(names)
                    let filler = try fill(disk)

                    let leaver = try await cluster.client("moyale", role: .admin)
                    let left = try await leaver.leave(now: false)
                    await leaver.close()
                    #expect(left.complete && left.remaining == 0, "\(left)")
                    #expect(left.withoutRoom?.map(\.node) == ["naivasha"], "\(left)")
                    try await held(files, through: client)
                    let full = try await client.status().withoutRoom
                    #expect(full?.map(\.node) == ["naivasha"])
                    let doctor = try await cluster.run(
                        TestCluster.roost, ["doctor", "--agent", "unix:\(cluster.socket("meru"))"])
                    #expect(doctor.output.contains("naivasha has no room, or its disk fails, for"), "\(doctor.output)")

                    try await cluster.kill("nakuru")
                    try await held(files, through: client)
                    #expect(unlink(filler) == 0)
                    let rest = ["meru", "narok", "naivasha"]
                    _ = try await cluster.placed(files, asking: "meru")
                    for (number, file) in files.enumerated() {
                        #expect(try await client.getBytes(file).bytes == Sample.bytes(100_000, seed: number))
                    }
                    await client.close()
                    try await cluster.settled(rest)
                }
            }
        }

        @Test(
            "where nobody has room a leave says what it left behind, and why",
            .enabled("mounting a small tmpfs needs the right to mount") { try await canMount() })
        func nowhere() async throws {
            try await TestCluster.run { cluster in
                let disk = "\(cluster.path)/small"
                try await withDisk(32, at: disk, cluster) {
                    try await cluster.start("meru")
                    try await cluster.start("naivasha", joining: ["meru"], ["data_dir": "\(disk)/data"])
                    try await cluster.settled(["meru", "naivasha"])
                    let client = try await cluster.client("meru")
                    try await cluster.put("before", [1], through: client)
                    _ = try fill(disk)
                    // More than are named, also than the answer has.
                    let names = (100..<205).map { "left/\($0)" }
                    for (number, name) in names.enumerated() {
                        let answer = try await client.put(name, bytes: Sample.bytes(1_000, seed: number))
                        #expect(answer.isShortOfCopies)
                    }
                    await client.close()
                    let left = try await cluster.run(
                        TestCluster.roost,
                        ["leave", "--agent", "unix:\(cluster.socket("meru"))", "--timeout", "3", "--json"],
                        within: .seconds(60))
                    #expect(left.ending == .exited(ExitStatus.tryAgain.rawValue), "\(left.output)")
                    let lines = left.output.split(separator: "\n").map(String.init)
                    let result = try API.JSON.decode(
                        API.LeaveResult.self, from: try #require(lines.first { $0.hasPrefix("{") }).utf8)
                    #expect(!result.complete && result.remaining == 105 && result.remainingBytes == 105_000)
                    #expect(result.leftBehindMore == 5 && result.deletedBehind == 0)
                    let told = result.leftBehind ?? []
                    #expect(told.count == 100 && told == told.sorted() && Set(told).isSubset(of: names), "\(told)")
                    for part in ["105 resources of meru (102.5 KiB)", "no room on naivasha", "\n  and 85 more"] {
                        #expect(left.output.contains(part), "\(left.output)")
                    }
                    #expect(lines.filter { $0.hasPrefix("  left/") }.count == 20, "\(left.output)")
                    #expect(!left.output.contains("before"), "\(left.output)")
                    let log = try cluster.logText("meru").split(separator: "\n")
                    let warning = try #require(log.first { $0.contains("left before everything was handed over") })
                    #expect(warning.contains("and 85 more") && warning.contains("105000"), "\(warning)")
                }
            }
        }

        @Test(
            "what both owners' disks could not take is read through any node",
            .enabled("mounting a small tmpfs needs the right to mount") { try await canMount() })
        func bothOwners() async throws {
            try await TestCluster.run { cluster in
                let disks = ["narok", "naivasha"].map { "\(cluster.path)/small-\($0)" }
                try await withDisk(32, at: disks[0], cluster) {
                    try await withDisk(32, at: disks[1], cluster) {
                        try await cluster.start("meru")
                        try await cluster.start("moyale", joining: ["meru"])
                        try await cluster.start("narok", joining: ["meru"], ["data_dir": "\(disks[0])/data"])
                        try await cluster.start("naivasha", joining: ["meru"], ["data_dir": "\(disks[1])/data"])
                        let names = ["meru", "moyale", "narok", "naivasha"]
                        try await cluster.settled(names)
                        let client = try await cluster.client("meru")
                        let files = (0..<48).map { "file-\($0)" }
                        for file in files { try await cluster.put(file, [1], through: client) }
                        let places = try await cluster.placed(files, asking: "meru")
                        let theirs = files.filter { Set(places[$0]?.owners ?? []) == ["narok", "naivasha"] }
                        try #require(!theirs.isEmpty)
                        for disk in disks { _ = try fill(disk) }
                        for (number, file) in theirs.enumerated() {
                            let answer = try await client.put(file, bytes: Sample.bytes(100_000, seed: number))
                            #expect(!answer.isShortOfCopies)
                        }
                        await client.close()
                        try await readable(theirs, through: names, cluster)
                        // Nor does a restart make them forget for long what they have no room for.
                        for (name, disk) in zip(["narok", "naivasha"], disks) {
                            try await cluster.kill(name)
                            try await cluster.start(name, joining: ["meru"], ["data_dir": "\(disk)/data"])
                            try await readable(theirs, through: names, cluster)
                        }
                    }
                }
            }
        }

        private func readable(_ files: [String], through names: [String], _ cluster: TestCluster) async throws {
            for name in names {
                let reader = try await cluster.client(name)
                for (number, file) in files.enumerated() {
                    let bytes = try await reader.getBytes(file).bytes
                    #expect(bytes == Sample.bytes(100_000, seed: number), "\(file) through \(name)")
                }
                await reader.close()
            }
        }

        private func held(_ files: [String], through client: AgentClient) async throws {
            try await Patience.wait(atMost: .seconds(90), for: "two copies of each") { () -> Patience.Look<Void> in
                for file in files {
                    let holders = try await client.whereIs(file).holders
                    guard holders.count >= 2 else { return .notYet("\(file) is on \(holders)") }
                }
                return .done(())
            }
        }
    }
}
