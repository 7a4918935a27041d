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
    /// What keeps the service from being started: an agent without `join` would be a cluster of its own, and one
    /// without `ca` could not invite. To be thrown when all else is done and said.
    private(set) var lacks: CommandFailure?

    init(folder: String) {
        var folder = folder
        while folder.count > 1, folder.hasSuffix("/") { folder.removeLast() }
        self.folder = folder
    }

    var certificates: String { "\(folder)/certs" }
    var authority: String { "\(folder)/ca" }
    var configuration: String { "\(folder)/roost.yaml" }

    // MARK: The configuration

    /// Adds what the configuration lacks behind what it says. Where it says something else, it is left as it is, and
    /// nothing is started: see `lacks`.
    mutating func configure(_ settings: [SettingsText.Line]) throws {
        let wanted = [SettingsText.Line("certs", [certificates])] + settings
        do {
            switch try SettingsText.change(to: configuration, wanted: wanted) {
            case .none: break
            case .add(let text):
                try NewText.put(text, at: configuration)
                remarks.append("wrote \(configuration)")
            case .conflict(let reason, let lines):
                lacks = CommandFailure(
                    "\(configuration) \(reason): it was left as it is, and nothing was started",
                    hint: "let it say this, then \(byHand):\n\(lines)", status: .conflict)
            }
        } catch let error as SettingsError {
            throw CommandFailure(
                "\(error)", hint: "\(configuration) was left as it is, and nothing was started",
                status: .badConfiguration)
        }
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

    private var byHand: String {
        let agent = "roost agent --config \(configuration)"
        guard folder == Self.standardFolder else { return "start the agent: \(agent)" }
        return "start the agent: \(agent)   (or, with the package installed: systemctl enable --now roost)"
    }

    /// Starts the service where systemd runs and the unit is installed; else says what to run.
    mutating func start(wanted: Bool) async {
        guard lacks == nil else { return }
        guard wanted, folder == Self.standardFolder, geteuid() == 0,
            FileManager.default.fileExists(atPath: "/run/systemd/system"),
            Self.systemctl("cat", "roost.service").status == 0
        else {
            remarks.append(byHand)
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
    static func put(_ text: String, at path: String) throws {
        let folder = URL(filePath: path).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        do { try DurableText.rewrite(path, Array(text.utf8), mode: 0o644) } catch { throw CaCommand.failure(error) }
    }
}
