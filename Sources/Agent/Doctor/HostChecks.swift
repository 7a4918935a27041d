import CNIOLinux
import Client
import TLS
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What can be found out about an agent's host from its files and its kernel, whether or not the agent runs: the half of
/// `roost doctor` that needs no answer from anybody. Nothing is changed.
public enum HostChecks {
    // MARK: Certificates

    /// Whether an agent would start with these certificates, and for how long.
    public static func certificates(_ settings: AgentSettings) -> [API.Check] {
        let folder = settings.certificatesFolder
        let credentials: Credentials
        do {
            credentials = try OwnCertificates(settings).current()
        } catch {
            return [
                API.Check(
                    "certificate", .fail, "\(error)",
                    remedy: "roost ca issue DIR --node NAME --out \(folder); certs names another folder")
            ]
        }
        let name = credentials.name
        var checks: [API.Check] = []
        if name.role != .node {
            checks.append(
                API.Check(
                    "certificate", .fail, "\(folder) has the certificate of \(name), which is no node",
                    remedy: "roost ca issue DIR --node NAME --out \(folder)"))
        } else if let wanted = settings.name, wanted != name.name {
            checks.append(
                API.Check(
                    "certificate", .fail, "name is \(wanted), and the certificate is \(name.name)'s",
                    remedy: "remove name from the configuration, or use that node's certificate"))
        } else if let cluster = settings.cluster, cluster != name.cluster {
            checks.append(
                API.Check(
                    "certificate", .fail, "cluster is \(cluster), and the certificate is of \(name.cluster)",
                    remedy: "remove cluster from the configuration, or use that cluster's certificate"))
        } else {
            checks.append(
                life(
                    of: credentials.life, "certificate", "\(name)",
                    remedy: "no member that has the CA has renewed it: issue a new one and put it there"))
        }
        if let authority = credentials.authorityLife {
            checks.append(
                life(
                    of: authority, "ca", "the CA's certificate",
                    remedy: "change to a new one: roost ca rotate, on the host that has the CA"))
        }
        checks += credentials.warnings.map { API.Check("key_mode", .warn, $0, remedy: "chmod 600 \(folder)/key.pem") }
        return checks
    }

    /// The folder of the set that an agent with these settings shows to others: the operator's, or the one that it got
    /// itself since. Where none can be used, the operator's.
    public static func certificatesInUse(_ settings: AgentSettings) -> String {
        (try? OwnCertificates(settings).current())?.folder ?? settings.certificatesFolder
    }

    private static func life(
        of life: CertificateLife, _ check: String, _ whose: String, remedy: String
    ) -> API.Check {
        let end = HumanUnits.time(API.Timestamp.text(unixSeconds: life.notAfter))
        let left = life.secondsLeft(at: WallClock.seconds)
        let time = HumanUnits.duration(.seconds(max(0, left)))
        return switch life.state(at: WallClock.seconds) {
        case .fine: API.Check(check, .ok, "\(whose) is good until \(end) UTC, for \(time)")
        case .soon: API.Check(check, .warn, "\(whose) ends in \(time), at \(end) UTC", remedy: remedy)
        case .over: API.Check(check, .fail, "\(whose) ended at \(end) UTC", remedy: remedy)
        }
    }

    // MARK: The disk

    /// Puts begin to fail below that; the catalogue and a large put need room at once.
    private static let freeBytesMin: UInt64 = 256 << 20
    private static let freeShareMin = 0.05

    public static func disk(_ settings: AgentSettings) -> [API.Check] {
        let folder = settings.dataFolder
        var status = stat()
        var checks: [API.Check] = []
        var place = folder
        if stat(folder, &status) != 0 {
            let code = errno
            let reason = String(cString: strerror(code))
            guard code == ENOENT else {
                return [
                    API.Check(
                        "data_dir", .fail, "\(folder): \(reason)", remedy: "run this as root, or as the agent's user")
                ]
            }
            checks.append(
                API.Check(
                    "data_dir", .warn, "\(folder) is not there yet", remedy: "the agent makes it at its first start"))
            // Its room is that of the folder that it will be made in.
            while place != "/", stat(place, &status) != 0 {
                place = String(place.prefix(upTo: place.lastIndex(of: "/") ?? place.startIndex))
                if place.isEmpty { place = "/" }
            }
        } else if status.st_mode & S_IFMT != S_IFDIR {
            return [API.Check("data_dir", .fail, "\(folder) is no folder", remedy: "name another with data_dir")]
        }
        checks.append(room(in: place))
        if isMemory(place) {
            checks.append(
                API.Check(
                    "data_dir", .warn, "\(folder) is in memory (tmpfs): a reboot loses every copy that this node holds",
                    remedy: "name a folder on a disk with data_dir"))
        }
        return checks
    }

    private static func room(in folder: String) -> API.Check {
        var room = statvfs()
        guard statvfs(folder, &room) == 0 else {
            return API.Check("disk", .warn, "\(folder): \(String(cString: strerror(errno)))")
        }
        let block = UInt64(room.f_frsize)
        let free = UInt64(room.f_bavail).multipliedReportingOverflow(by: block).partialValue
        let total = UInt64(room.f_blocks).multipliedReportingOverflow(by: block).partialValue
        let text = "\(HumanUnits.bytes(free)) free of \(HumanUnits.bytes(total)) at \(folder)"
        if free < freeBytesMin {
            return API.Check("disk", .fail, text, remedy: "make room: with none left, puts are refused with 507")
        }
        if Double(free) < Double(total) * freeShareMin {
            return API.Check("disk", .warn, text, remedy: "make room, or lower this node's weight")
        }
        return API.Check("disk", .ok, text)
    }

    /// By the mount that holds it (proc(5)): the longest of those above it.
    private static func isMemory(_ folder: String) -> Bool {
        guard let pointer = realpath(folder, nil) else { return false }
        let path = String(cString: pointer)
        free(pointer)
        let mounts = ProcFile.lines("/proc/self/mounts").compactMap { line -> (place: Substring, kind: Substring)? in
            let fields = line.split(separator: " ")
            guard fields.count > 2 else { return nil }
            return (fields[1], fields[2])
        }
        let above = mounts.filter { $0.place == "/" || path == $0.place || path.hasPrefix($0.place + "/") }
        // Of two in one place the later one is on top.
        let length = above.map(\.place.utf8.count).max()
        let holder = above.last { $0.place.utf8.count == length }
        return holder?.kind == "tmpfs" || holder?.kind == "ramfs"
    }

    // MARK: Descriptors and ports

    /// Enough for `peers.max` and the API's connections at their defaults, with blobs beside them.
    public static let filesMin: UInt64 = 4_096

    /// - Parameters:
    ///   - limit: the agent's, or, where it does not run, what a child of this process would have.
    public static func files(limit: UInt64?, open: UInt64?) -> API.Check {
        let isAgents = limit != nil
        let most = limit ?? ProcessFiles.limit
        let whose = isAgents ? "the agent may open" : "a process started here may open"
        let text = "\(whose) \(most) files" + (open.map { ", and has \($0)" } ?? "")
        let remedy = "LimitNOFILE=65536 in the unit, or ulimit -n 65536"
        if let open, open >= most / 10 * 9 { return API.Check("files", .fail, text, remedy: remedy) }
        return most >= filesMin
            ? API.Check("files", .ok, text) : API.Check("files", .warn, text, remedy: remedy)
    }

    /// Whether anybody has the agent's port, for both transports.
    ///
    /// - Parameters:
    ///   - isUp: whether the agent answers.
    ///   - own: the port that it says it has: flags that this configuration knows nothing of may have given it another.
    public static func ports(_ settings: AgentSettings, isUp: Bool, own: UInt16?) -> [API.Check] {
        #if os(Linux)
            let named = settings.bind.port
            let isNamed = ["tcp", "tcp6"].contains {
                SocketTable.isBound(named, in: "/proc/net/\($0)", listening: true)
            }
            let port = isNamed ? named : own ?? named
            return [("tcp", "tcp"), ("udp", "udp")].compactMap { transport, table in
                let isTaken = ["", "6"].contains { family in
                    SocketTable.isBound(port, in: "/proc/net/\(table)\(family)", listening: transport == "tcp")
                }
                switch (isTaken, isUp) {
                case (true, true): return API.Check("port_\(transport)", .ok, "\(port)/\(transport) is open here")
                case (false, true):
                    return API.Check(
                        "port_\(transport)", .fail, "nobody has \(port)/\(transport) on this host",
                        remedy: "bind names another port, or the agent that answers is not this host's")
                case (true, false):
                    return API.Check(
                        "port_\(transport)", .warn, "\(port)/\(transport) is taken, and no agent answers on the socket",
                        remedy: "ss -lnp | grep \(port) says who has it; an agent that starts does not answer yet")
                case (false, false): return nil
                }
            }
        #else
            return []
        #endif
    }
}
