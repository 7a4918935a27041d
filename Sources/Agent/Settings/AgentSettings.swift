import Vocabulary

/// Everything that an operator may set on one agent, with the defaults that suit a small cluster on one network.
///
/// A value is found in a flag, else in a `ROOST_…` variable, else in the YAML file, else here. `Setting.all` is the one
/// table that names the keys; this type holds what they mean, each with its unit.
public struct AgentSettings: Sendable, Hashable {
    /// What this node calls itself; nil is the name in its certificate.
    public var name: NodeName?
    /// The cluster it belongs to; nil is the cluster in its certificate.
    public var cluster: ClusterName?
    /// Where TCP and UDP listen. Port 0 takes a free one (tests).
    public var bind = Endpoint.everyInterface(port: Endpoint.roostPort)
    /// What others are told to call; nil is found from the interface that reaches them.
    public var advertise: Endpoint?
    /// Whom to ask for the way into the cluster; DNS names are resolved again at every try.
    public var join: [Endpoint] = []
    public var dataFolder = "/var/lib/roost"
    /// A folder with `ca.pem`, `cert.pem` and `key.pem`.
    public var certificatesFolder = "/etc/roost/certs"
    /// The unix socket that acts as admin.
    public var socketPath = "/run/roost/roost.sock"
    /// The failure domain: copies of one resource avoid sharing it.
    public var zone: String?
    /// The share of the data relative to others; 0 owns nothing.
    public var weight: UInt32 = 100
    static let weights: ClosedRange<UInt32> = 0...10_000
    /// What others choose this node by; the one setting that a reload takes up.
    public var tags = Tags.none
    /// The folder of the CA, on a host that issues certificates.
    public var authorityFolder: String?
    /// Copies of each resource (R in the design).
    public var replicas = 2
    /// Distinct peers connected at once.
    public var peersMax = 64
    public var swim = SWIMSettings()
    public var relocation = RelocationSettings()
    public var tombstone = TombstoneSettings()
    public var leave = LeaveSettings()
    public var scrub = ScrubSettings()
    public var keys = KeySettings()
    /// Plain HTTP for metrics and health, on loopback only; nil is off.
    public var httpBind: Endpoint?
    public var log = LogSettings()
    /// The largest resource that a put may bring, in bytes.
    public var bodyBytesMax: Int = 1 << 40

    public struct SWIMSettings: Sendable, Hashable {
        public var probeInterval: Duration = .seconds(1)
        public var probeTimeout: Duration = .milliseconds(500)
        public var suspicionMultiplier = 2
        public var pushPullInterval: Duration = .seconds(30)
    }

    public struct RelocationSettings: Sendable, Hashable {
        /// How long a member may be away before its copies are made again elsewhere.
        public var delay: Duration = .seconds(30)
        /// What that becomes at most, as it doubles for a member that comes and goes.
        public var delayMax: Duration = .seconds(600)
        /// Transfers at once for moves; queries keep the rest of the machine.
        public var streams = 4
    }

    public struct TombstoneSettings: Sendable, Hashable {
        /// How long a deleted name is kept at least, so that no old copy can bring it back.
        public var keep: Duration = .seconds(10 * 86_400)
    }

    public struct LeaveSettings: Sendable, Hashable {
        /// Whether SIGTERM drains and leaves, or only stops.
        public var onStop = true
        public var timeout: Duration = .seconds(60)
    }

    public struct ScrubSettings: Sendable, Hashable {
        /// Bytes a second that are read to check them; 0: only when asked. 8 MiB/s is a few percent of what a disk gives,
        /// and reads 4.6 TiB in a week.
        public var rate = 8 << 20
        /// Between the beginnings of two passes over everything.
        public var interval: Duration = .seconds(7 * 86_400)
        /// Before the first pass of a start, which has better things to read; no key.
        var startDelay: Duration = .seconds(60)
        /// A request for a part of a blob up to this size waits for the check of the whole, a second or so at a slow disk's
        /// 200 MB/s: less than a node waits for another (8 s). No key.
        var waitedBytesMax: UInt64 = 256 << 20
    }

    /// How the keys that seal the gossip are changed.
    public struct KeySettings: Sendable, Hashable {
        /// How long a new key waits for members that are present and do not take it.
        public var wait: Duration = .seconds(30)
        /// How long the key before still opens datagrams.
        public var overlap: Duration = .seconds(60)
    }

    public struct LogSettings: Sendable, Hashable {
        public var level: LogLevel = .info
        public var format: LogFormat = .text
    }

    public enum LogLevel: String, Sendable, Hashable, CaseIterable {
        case trace, debug, info, notice, warning, error, critical
    }

    public enum LogFormat: String, Sendable, Hashable, CaseIterable {
        case text, json, journal
    }

    /// The defaults alone.
    public init() {}
}

extension Endpoint {
    /// Every IPv4 interface.
    static func everyInterface(port: UInt16) -> Endpoint {
        do {
            return try Endpoint(host: "0.0.0.0", port: port)
        } catch {
            preconditionFailure("0.0.0.0 is a host: \(error)")
        }
    }
}
