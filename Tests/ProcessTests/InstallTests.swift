import Foundation
import Testing

/// What `make install` puts on a host that has no Debian package.
@Suite("make install")
struct InstallTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func install(_ folder: URL, prefix: String) throws -> (status: Int32, said: String) {
        let process = Process()
        process.executableURL = Self.root.appending(path: ".ci/install")
        process.currentDirectoryURL = Self.root
        process.arguments = [folder.path, prefix]
        process.environment = ProcessInfo.processInfo.environment.merging(["ROOST": TestCluster.roost]) { $1 }
        process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let said = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: said, as: UTF8.self))
    }

    @Test("it goes below DESTDIR and PREFIX, names the program that it installs, and leaves a configuration alone")
    func installs() throws {
        let files = FileManager.default
        let folder = files.temporaryDirectory.appending(path: "roost-install-\(UUID().uuidString)")
        defer { try? files.removeItem(at: folder) }
        let first = try install(folder, prefix: "/opt/roost")
        try #require(first.status == 0, "\(first.said)")
        for path in [
            "bin/roost", "lib/systemd/system/roost.service", "lib/systemd/system/roost-certificate.path",
            "lib/systemd/system/roost-certificate.service", "lib/sysusers.d/roost.conf", "lib/tmpfiles.d/roost.conf",
            "share/bash-completion/completions/roost", "share/zsh/site-functions/_roost",
            "share/fish/vendor_completions.d/roost.fish", "share/man/man1/roost.1", "share/man/man1/roost-put.1",
            "share/doc/roost/examples/roost.yaml",
        ] {
            let place = folder.appending(path: "opt/roost/\(path)").path
            let size = try #require(files.attributesOfItem(atPath: place)[.size] as? Int, "\(path)")
            #expect(size > 0, "\(path)")
        }
        #expect(files.isExecutableFile(atPath: folder.appending(path: "opt/roost/bin/roost").path))
        let unit = try String(
            contentsOf: folder.appending(path: "opt/roost/lib/systemd/system/roost.service"), encoding: .utf8)
        #expect(unit.contains("ExecStart=/opt/roost/bin/roost agent --config /etc/roost/roost.yaml"))
        #expect(!unit.contains("@bindir"), "every place of the unit is filled in")

        let configuration = folder.appending(path: "etc/roost/roost.yaml")
        #expect(files.fileExists(atPath: configuration.path))
        try Data("zone: kampala\n".utf8).write(to: configuration)
        let again = try install(folder, prefix: "/opt/roost")
        #expect(again.status == 0 && again.said.contains("kept "), "\(again.said)")
        #expect(try String(contentsOf: configuration, encoding: .utf8) == "zone: kampala\n")
    }
}
