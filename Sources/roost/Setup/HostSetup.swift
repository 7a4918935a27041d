import Agent
import Authority
import Foundation
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What `init` and `enroll` do to a host beside certificates: its configuration, the service's user, the service.
struct HostSetup {
    static let standardFolder = "/etc/roost"
    static let user = "roost"

    /// `/etc/roost`, or a test's.
    let folder: String
    /// Notes for the operator, in order.
    private(set) var remarks: [String] = []

    init(folder: String) {
        var folder = folder
        while folder.count > 1, folder.hasSuffix("/") { folder.removeLast() }
        self.folder = folder
    }

    var certificates: String { "\(folder)/certs" }
    var authority: String { "\(folder)/ca" }
    var configuration: String { "\(folder)/roost.yaml" }

    // MARK: The configuration

    /// Adds settings to the configuration unless it has any of an operator's: those are never touched, and what is
    /// missing is said instead.
    mutating func configure(_ settings: [(key: String, values: [String])]) throws {
        let wanted = [(key: "certs", values: [certificates])] + settings
        let isThere = FileManager.default.fileExists(atPath: configuration)
        do {
            let beside = Dictionary(
                wanted.map { ($0.key, $0.values.joined(separator: ",")) }, uniquingKeysWith: { first, _ in first })
            guard try !SettingsText.hasOwn(path: configuration, beside: beside) else {
                let lines = settings.map(Self.line).joined()
                remarks.append("\(configuration) has settings of its own and was left as it is; it needs:\n\(lines)")
                return
            }
            let missing = try wanted.filter { try !SettingsText.names($0.key, path: configuration) }
            guard !missing.isEmpty else { return }
            var text = isThere ? try String(contentsOfFile: configuration, encoding: .utf8) : ""
            if !text.isEmpty, !text.hasSuffix("\n") { text += "\n" }
            text += missing.map(Self.line).joined()
            try SettingsText.check(text, path: configuration)
            try NewText.put(text, at: configuration)
            remarks.append("wrote \(configuration)")
        } catch let error as SettingsError {
            throw CommandFailure("\(error)", hint: "\(configuration) was left as it is", status: .badConfiguration)
        }
    }

    /// Quoted: an IPv6 address would begin a list of YAML's.
    private static func line(_ setting: (key: String, values: [String])) -> String {
        let texts = setting.values.map { "\"\($0)\"" }
        let value = setting.key == "join" ? "[\(texts.joined(separator: ", "))]" : texts.joined()
        return "\(setting.key): \(value)\n"
    }

    // MARK: The service's user

    /// Gives the CA to the service's user, which signs with it: as root, where there is such a user. The node's own key
    /// stays root's: systemd hands it over, and the agent keeps what it renews among its own data.
    func handOverAuthority() throws {
        guard geteuid() == 0, let entry = getpwnam(Self.user) else { return }
        let (user, group) = (entry.pointee.pw_uid, entry.pointee.pw_gid)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: authority)) ?? []
        for path in names.map({ "\(authority)/\($0)" }) + [authority] {
            guard lchown(path, user, group) == 0 else {
                throw CommandFailure(
                    "cannot give \(path) to the user \(Self.user): \(String(cString: strerror(errno)))")
            }
        }
    }

    /// The service's user reads the certificates themselves: as the package makes the folder.
    func openCertificates() throws {
        guard geteuid() == 0, let entry = getpwnam(Self.user) else { return }
        guard chown(certificates, 0, entry.pointee.pw_gid) == 0, chmod(certificates, 0o750) == 0 else {
            throw CommandFailure("cannot open \(certificates): \(String(cString: strerror(errno)))")
        }
    }

    // MARK: The service

    /// Starts the service where systemd runs and the unit is installed; else says what to run.
    mutating func start(wanted: Bool) async {
        let byHand = "start the agent: roost agent --config \(configuration)"
        guard wanted, folder == Self.standardFolder, geteuid() == 0,
            FileManager.default.fileExists(atPath: "/run/systemd/system"),
            Self.systemctl("cat", "roost.service").status == 0
        else {
            remarks.append(
                wanted ? byHand + "   (or, with the package installed: systemctl enable --now roost)" : byHand)
            return
        }
        let enabled = Self.systemctl("enable", "roost.service")
        let started = enabled.status == 0 ? Self.systemctl("restart", "roost.service") : enabled
        remarks.append(
            started.status == 0
                ? "the service roost is running"
                : "the service did not start (\(started.output.prefix(400))): journalctl -u roost says why")
    }

    private static func systemctl(_ arguments: String...) -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["systemctl"] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardError = pipe
        do { try process.run() } catch { return (127, "\(error)") }
        let output = (try? pipe.fileHandleForReading.readToEnd()) ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}

/// A small text put in the place of another, whole or not at all.
enum NewText {
    static func put(_ text: String, at path: String, mode: mode_t = 0o644) throws {
        let folder = URL(filePath: path).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        do { try DurableText.replace(path, Array(text.utf8), mode: mode) } catch { throw CaCommand.failure(error) }
    }
}
