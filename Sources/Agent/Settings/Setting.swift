import Vocabulary

/// One key of the agent's configuration. `Setting.all` is the only list of them: the YAML reader, the `ROOST_…`
/// variables, the flags with their help, and the "did you mean" all come from it.
public struct Setting: Sendable {
    /// As in YAML and after `--`: `peers.max`.
    public let key: String
    /// Completes the sentence "allowed: …".
    public let allowed: String
    /// As the operator would write it; empty when it is unset by default.
    public let defaultText: String
    public let help: String
    /// A list in YAML stands for its elements joined by commas.
    let isList: Bool
    /// False when the text is not allowed.
    let apply: @Sendable (inout AgentSettings, String) -> Bool

    private init<Value>(
        _ key: String, _ path: any WritableKeyPath<AgentSettings, Value> & Sendable, _ kind: SettingKind<Value>,
        _ help: String
    ) {
        self.key = key
        self.allowed = kind.allowed
        self.defaultText = kind.show(AgentSettings()[keyPath: path])
        self.help = help
        self.isList = Value.self == [Endpoint].self || Value.self == Tags.self
        self.apply = { settings, text in
            guard let value = kind.parse(text) else { return false }
            settings[keyPath: path] = value
            return true
        }
    }

    /// A key that may stay unset.
    private init<Value>(
        _ key: String, _ path: any WritableKeyPath<AgentSettings, Value?> & Sendable, optional kind: SettingKind<Value>,
        _ help: String
    ) {
        self.init(key, path, kind.optional, help)
    }

    /// `peers.max` is `ROOST_PEERS_MAX`.
    public var variable: String {
        "ROOST_" + key.uppercased().map { $0 == "." ? "_" : String($0) }.joined()
    }

    public static let all: [Setting] = [
        Setting("name", \.name, optional: .nodeName, "This node's name; the certificate's unless given."),
        Setting("cluster", \.cluster, optional: .clusterName, "The cluster's name; the certificate's unless given."),
        Setting("bind", \.bind, .bindEndpoint, "Where to listen, for TCP and UDP alike."),
        Setting("advertise", \.advertise, optional: .endpoint, "What the others are told to call."),
        Setting("join", \.join, .endpoints, "Members to join through; give it again for more."),
        Setting("data_dir", \.dataFolder, .path, "Where resources are kept."),
        Setting("certs", \.certificatesFolder, .path, "The folder of ca.pem, cert.pem and key.pem."),
        Setting("socket", \.socketPath, .socketPath, "The unix socket for commands on this host."),
        Setting("zone", \.zone, optional: .zone, "The failure domain; copies of one resource avoid sharing it."),
        Setting("weight", \.weight, .integer(AgentSettings.weights), "This node's share of the data; 0 owns nothing."),
        Setting("tags", \.tags, .tags, "What others choose this node by, as role=edge; give it again for more."),
        Setting("ca", \.authorityFolder, optional: .path, "The folder of the CA, on a host that issues certificates."),
        Setting("replicas", \.replicas, .integer(1...7), "Copies of each resource."),
        Setting("peers.max", \.peersMax, .integer(1...4096), "Peers connected at once."),
        Setting(
            "swim.probe_interval", \.swim.probeInterval, .duration(.milliseconds(50)...(.seconds(60))),
            "Between two probes of the failure detector."),
        Setting(
            "swim.probe_timeout", \.swim.probeTimeout, .duration(.milliseconds(10)...(.seconds(30))),
            "How long the first probe of a member waits for its ack; later ones go by what was measured."),
        Setting(
            "swim.suspicion_multiplier", \.swim.suspicionMultiplier, .integer(1...64),
            "How many probe intervals (times log n) a suspect whom several accuse has to refute."),
        Setting(
            "swim.push_pull_interval", \.swim.pushPullInterval, .duration(.seconds(1)...(.seconds(3600))),
            "Between two exchanges of the whole member list."),
        Setting(
            "relocation.delay", \.relocation.delay, .duration(.zero...(.seconds(86_400))),
            "How long a member may be away before its copies are made again elsewhere."),
        Setting(
            "relocation.delay_max", \.relocation.delayMax, .duration(.zero...(.seconds(86_400))),
            "What relocation.delay becomes at most, doubling with each crash of a member that comes and goes."),
        Setting("relocation.streams", \.relocation.streams, .integer(1...64), "Transfers at once for moves."),
        Setting(
            "tombstone.keep", \.tombstone.keep, .duration(.seconds(10)...(.seconds(3660 * 86_400))),
            "How long a deleted name is remembered at least; then until every member has agreed to forget it."),
        Setting("leave.on_stop", \.leave.onStop, .boolean, "Whether SIGTERM drains and leaves, or only stops."),
        Setting(
            "leave.timeout", \.leave.timeout, .duration(.zero...(.seconds(86_400))), "How long a drain may take."),
        Setting(
            "scrub.rate", \.scrub.rate, .size(0...(1 << 40)),
            "Bytes a second that are read in the background to check them; 0 leaves it to roost scrub."),
        Setting(
            "scrub.interval", \.scrub.interval, .duration(.seconds(60)...(.seconds(366 * 86_400))),
            "Between the beginnings of two checks of everything on the disk."),
        Setting(
            "keys.wait", \.keys.wait, .duration(.seconds(1)...(.seconds(3600))),
            "How long a new gossip key waits for members that are present and do not take it."),
        Setting(
            "keys.overlap", \.keys.overlap, .duration(.seconds(1)...(.seconds(86_400))),
            "How long the gossip key before still opens datagrams once a new one seals."),
        Setting(
            "http.bind", \.httpBind, optional: .loopback,
            "Plain HTTP for metrics and health, on loopback; off unless given."),
        Setting("log.level", \.log.level, .choice, "The least severity that is logged."),
        Setting("log.format", \.log.format, .choice, "How log lines look."),
        Setting("limits.body", \.bodyBytesMax, .size(0...(1 << 50)), "The largest resource that a put may bring."),
    ]

    static let byKey: [String: Setting] = Dictionary(all.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })

    static let byVariable: [String: Setting] = Dictionary(
        all.map { ($0.variable, $0) }, uniquingKeysWith: { first, _ in first })

    /// The text of `--help` for one key; empty for a key that does not exist.
    public static func help(for key: String) -> String {
        guard let setting = byKey[key] else { return "" }
        let fallback = setting.defaultText.isEmpty ? "" : " Default: \(setting.defaultText)."
        return "\(setting.help) Allowed: \(setting.allowed).\(fallback)"
    }

    /// The known key that the typist most likely meant; nil when none is near.
    static func nearest(to text: String, among candidates: [String]) -> String? {
        let wanted = text.lowercased()
        guard wanted.utf8.count <= 64 else { return nil }
        let last = wanted.split(separator: ".").last.map(String.init) ?? wanted
        let scored = candidates.map { candidate -> (name: String, distance: Int) in
            let name = candidate.lowercased()
            let tail = name.split(separator: ".").last.map(String.init) ?? name
            let whole = EditDistance.between(wanted, name)
            // `delay` for `relocation.delay`: a forgotten chapter costs one edit.
            let forgotten = wanted.contains(".") ? Int.max : EditDistance.between(last, tail) + 1
            return (candidate, min(whole, forgotten))
        }
        guard let best = scored.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= max(2, wanted.utf8.count / 3) ? best.name : nil
    }
}

/// Levenshtein's distance: how many letters to insert, delete or change. Callers bound the lengths.
enum EditDistance {
    static func between(_ a: String, _ b: String) -> Int {
        let a = Array(a.utf8)
        let b = Array(b.utf8)
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let substituted = diagonal + (x == y ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[b.count]
    }
}
