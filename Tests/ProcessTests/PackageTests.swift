import Foundation
import Glibc
import Testing

@testable import roost

/// What the package's scripts and the unit do as root, taken from their files and run on folders of the test's.
@Suite("what runs as root of the package and its unit")
struct PackageTests {
    private let folder: URL

    /// A folder that every user may walk through, wherever `TMPDIR` leads: that may be its owner's alone.
    private init() throws {
        folder = URL(filePath: "/tmp/roost-package-\(UUID().uuidString)")
        for name in ["bin", "certs", "run", "elsewhere"] {
            try FileManager.default.createDirectory(
                at: folder.appending(path: name), withIntermediateDirectories: true)
        }
        try #require(chmod(folder.path, 0o755) == 0)
    }

    private static func source(_ path: String) throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    private func path(_ name: String) -> String { folder.appending(path: name).path }
    private func isThere(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
    private func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }
    private func write(_ name: String, _ text: String, mode: mode_t = 0o644) throws {
        try FileManager.default.createDirectory(
            at: folder.appending(path: name).deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(toFile: path(name), atomically: true, encoding: .utf8)
        try #require(chmod(path(name), mode) == 0)
    }

    private func shell(_ arguments: [String]) throws -> (status: Int32, said: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = arguments
        process.environment = ["PATH": "\(path("bin")):/usr/sbin:/usr/bin:/sbin:/bin"]
        process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let said = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: said, as: UTF8.self))
    }

    // MARK: The unit

    /// The unit's commands that run with all rights, without the signs before them.
    private static func rootCommands(_ key: String) throws -> [String] {
        try source("systemd/roost.service.in").split(separator: "\n").filter {
            $0.hasPrefix("\(key)=") && $0.dropFirst(key.count + 1).prefix { "+-@:!".contains($0) }.contains("+")
        }.map { String($0.dropFirst(key.count + 1).drop { "+-@:!".contains($0) }) }
    }

    // Only root can be another user for a moment.
    @Test(
        "a reload copies the key and follows no link that the service's user has put in its place",
        .enabled(if: geteuid() == 0), arguments: ["no link", "a folder", "a file"])
    func reload(link: String) throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let nobody: uid_t = 65_534
        try write("certs/key.pem", "the key\n", mode: 0o600)
        try write("elsewhere/file", "another's\n", mode: 0o644)
        try #require(chmod(path("certs"), 0o700) == 0 && chown(path("run"), nobody, nobody) == 0)
        let target = ["a folder": path("elsewhere"), "a file": path("elsewhere/file")][link]
        if let target { try #require(symlink(target, path("run/key.pem")) == 0) }

        var command = try #require(try Self.rootCommands("ExecReload").first)
        for (from, to) in [
            ("%t/roost/", "\(path("run"))/"), ("/etc/roost/certs/", "\(path("certs"))/"),
            ("id=roost", "id=\(nobody)"), ("-o roost -g roost", "-o \(nobody) -g \(nobody)"),
        ] { command = command.replacing(from, with: to) }
        // As the unit's UMask. Its quotes are the shell's.
        let ran = try shell(["-c", "umask 0077; \(command)"])
        #expect(ran.status == 0, "\(ran.said)")

        #expect(try FileManager.default.contentsOfDirectory(atPath: path("elsewhere")) == ["file"])
        var other = stat()
        try #require(lstat(path("elsewhere/file"), &other) == 0)
        #expect(try text("elsewhere/file") == "another's\n" && other.st_uid == 0 && other.st_mode & 0o777 == 0o644)
        var copy = stat()
        try #require(lstat(path("run/key.pem"), &copy) == 0)
        #expect(copy.st_mode & S_IFMT == S_IFREG && copy.st_mode & 0o077 == 0 && copy.st_uid == nobody)
        #expect(try text("run/key.pem") == "the key\n")
    }

    @Test("no command of the unit writes as root where the service's user may put a link")
    func rights() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let all = try ["ExecStartPre", "ExecStart", "ExecReload", "ExecStop", "ExecStopPost"].flatMap(
            Self.rootCommands)
        #expect(!all.isEmpty)
        for command in all where command.contains("%t") || command.contains("/var/lib/roost") {
            // Even between a look and a write a link may come; a removal removes the link.
            #expect(command.contains("setpriv --reuid=roost ") || command.hasPrefix("/bin/rm -f "), "\(command)")
        }
    }

    // MARK: The scripts

    /// A script with its places below the test's folder.
    private func script(_ name: String) throws -> String {
        var script = try Self.source("systemd/debian/roost.\(name)")
        for (from, to) in [
            ("/run/systemd/system", path("run")), ("/usr/share/debconf/confmodule", path("confmodule")),
            ("/var/lib/roost", path("data")), ("/etc/roost", path("etc")),
        ] { script = script.replacing(from, with: to) }
        try write(name, script)
        return path(name)
    }

    @Test(
        "an upgrade falls back to a restart that moves data only where the agent was not asked, or did not understand")
    func upgrade() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let script = try script("postinst")
        let log = path("log")
        try write(
            "bin/roost",
            "#!/bin/sh\necho \"roost $*\" >>\(log)\ncat \(path("next")) >\(path("pid"))\n"
                + "exit $(cat \(path("status")))\n", mode: 0o755)
        try write(
            "bin/systemctl", "#!/bin/sh\nif [ \"$1\" = show ]; then cat \(path("pid")); fi\n", mode: 0o755)
        try write("bin/deb-systemd-invoke", "#!/bin/sh\necho \"invoked $*\" >>\(log)\n", mode: 0o755)
        func upgrade(_ status: Int32, restarted: Bool) throws -> (log: String, said: String) {
            try write("log", "")
            try write("pid", "100\n")
            try write("next", restarted ? "200\n" : "100\n")
            try write("status", "\(status)\n")
            let ran = try shell([script, "configure", "0.1.0"])
            #expect(ran.status == 0, "\(ran.said)")
            return (try text("log"), ran.said)
        }
        let asked = "roost restart --timeout 120\n"
        let again = asked + "invoked restart roost.service\n"
        let notAsked: [roost.ExitStatus] = [.usage, .notFound, .unreachable]
        for status in roost.ExitStatus.allCases {
            // A start that does not serve in time is a start all the same.
            let begun = try upgrade(status.rawValue, restarted: true)
            #expect(begun.log == asked, "\(status)")
            #expect(begun.said.contains("journalctl") == (status != .done && status != .badConfiguration), "\(status)")
            guard status != .done else { continue }
            let before = try upgrade(status.rawValue, restarted: false)
            #expect(before.log == (notAsked.contains(status) ? again : asked), "\(status)")
            #expect(before.said.contains("roost: "), "\(status)")
        }
    }

    @Test(
        "a purge asks where there is anything of the node's, the certificate alone too, and says what stays and how to remove it"
    )
    func purge() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let script = try script("postrm")
        try write(
            "confmodule",
            "db_input() { echo \"asked $2\" >&2; }\ndb_go() { :; }\n"
                + "db_get() { RET=$(cat \(path("answer"))); }\n")
        func purge(_ answer: Bool, _ files: String...) throws -> String {
            for place in ["data", "etc"] { try? FileManager.default.removeItem(atPath: path(place)) }
            // As the package makes it.
            try FileManager.default.createDirectory(atPath: path("etc/certs"), withIntermediateDirectories: true)
            try write("etc/roost.yaml", "")
            for file in files { try write(file, "x") }
            try write("answer", "\(answer)")
            let ran = try shell([script, "purge"])
            #expect(ran.status == 0, "\(ran.said)")
            #expect(!isThere("etc/roost.yaml"))
            return ran.said
        }
        #expect(try purge(false) == "", "nothing is there, and nothing is asked")
        #expect(!isThere("etc"))
        #expect(try purge(false, "etc/certs/key.pem") == "asked roost/purge_data\nroost: kept \(path("etc/certs"))\n")
        #expect(isThere("etc/certs/key.pem"))
        #expect(try purge(true, "etc/certs/key.pem").hasPrefix("asked "))
        #expect(!isThere("etc"))
        let kept = try purge(false, "data/x", "etc/certs/key.pem", "etc/ca/ca.key.pem")
        for place in ["data", "etc/certs", "etc/ca"] { #expect(kept.contains("kept \(path(place))"), "\(kept)") }
        // It is not the node's alone.
        let gone = try purge(true, "data/x", "etc/certs/key.pem", "etc/ca/ca.key.pem")
        #expect(!isThere("data") && !isThere("etc/certs") && isThere("etc/ca/ca.key.pem"))
        #expect(gone.contains("kept \(path("etc/ca")),") && gone.contains("rm -r \(path("etc/ca"))"), "\(gone)")
        #expect(!gone.contains("kept \(path("data"))"), "\(gone)")
    }
}
