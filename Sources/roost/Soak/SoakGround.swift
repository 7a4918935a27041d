import Glibc

/// A network for each node, joined by a bridge that loses packets or parts the nodes, and a disk that fills up: possible
/// only in network and mount namespaces made for the soak, which take all of it away when the last process in them ends.
///
/// The soak itself stands at the bridge, as a client who reaches every site.
struct SoakGround: Sendable {
    /// What befalls packets.
    enum Weather: Equatable {
        case clear
        /// Of 100 packets so many are lost.
        case losing(Int)
        /// Nothing reaches the node; what it sends arrives.
        case cut(String)
        /// These and the others do not reach one another.
        case split([String])
    }

    /// The node whose disk is small.
    let narrow: String
    private let cluster: DemoCluster
    private let hosts: [String: DemoHost]

    private static let sizeMegabytes = 64
    private static let ip = "/usr/sbin/ip"
    private static let nft = "/usr/sbin/nft"

    private static func namespace(_ name: String) -> String { "roost-\(name)" }

    /// Where the nodes will run once the ground is prepared.
    static func hosts(_ names: [String]) -> [String: DemoHost] {
        var hosts: [String: DemoHost] = [:]
        for (index, name) in names.enumerated() {
            hosts[name] = DemoHost(
                address: "10.77.0.\(index + 1)", launcher: [ip, "netns", "exec", namespace(name)])
        }
        return hosts
    }

    /// - Throws: `DemoFailure` outside such namespaces: what is done here would be done to the whole machine.
    static func prepare(_ cluster: DemoCluster, _ hosts: [String: DemoHost], narrow: String) async throws -> SoakGround
    {
        guard Self.interfaces == ["lo"] else {
            throw DemoFailure(
                "--rough would harm the whole machine here: use `make soak` as root, or unshare --mount --net first")
        }
        let ground = SoakGround(narrow: narrow, cluster: cluster, hosts: hosts)
        try await ground.joinNetworks()
        try cluster.folder.make("\(narrow)/data")
        try await cluster.run(
            "/usr/bin/mount", ["-t", "tmpfs", "-o", "size=\(sizeMegabytes)m,mode=0700", "roost-soak", ground.data])
        return ground
    }

    private func joinNetworks() async throws {
        // Names of networks are files; these are nobody else's, and go with the mount.
        let names = "/run/netns"
        guard mkdir(names, 0o755) == 0 || errno == EEXIST else {
            throw DemoFailure("making \(names) failed: \(String(cString: strerror(errno)))")
        }
        try await cluster.run("/usr/bin/mount", ["-t", "tmpfs", "-o", "mode=0755", "roost-soak", names])
        var lines = [
            "link add bridge0 type bridge", "address add 10.77.0.254/24 dev bridge0", "link set bridge0 up",
        ]
        let sorted = hosts.sorted { $0.key < $1.key }
        for (name, _) in sorted { lines.append("netns add \(Self.namespace(name))") }
        for (index, host) in sorted.enumerated() {
            lines += [
                "link add port\(index) type veth peer name eth0 netns \(Self.namespace(host.key))",
                "link set port\(index) master bridge0 up",
            ]
        }
        try await batch(lines, "bridge")
        for (name, host) in sorted {
            let lines = ["link set lo up", "address add \(host.address)/24 dev eth0", "link set eth0 up"]
            try await batch(lines, name, ["-netns", Self.namespace(name)])
        }
    }

    private func batch(_ lines: [String], _ name: String, _ options: [String] = []) async throws {
        let file = "logs/\(name).ip"
        try cluster.folder.write(lines.joined(separator: "\n") + "\n", to: file)
        try await cluster.run(Self.ip, options + ["-batch", "\(cluster.folder.path)/\(file)"])
    }

    /// The mount goes with the namespace at the latest; the folder below it is to be removed before.
    func end() async {
        try? await cluster.run("/usr/bin/umount", ["--lazy", data])
    }

    private var data: String { "\(cluster.folder.node(narrow))/data" }
    private var filler: String { "\(data)/filler" }

    /// A new network namespace has its loopback and nothing else.
    private static var interfaces: [String] {
        guard let list = if_nameindex() else { return [] }
        defer { if_freenameindex(list) }
        var names: [String] = []
        var next = list
        while let name = next.pointee.if_name {
            names.append(String(cString: name))
            next += 1
        }
        return names
    }

    /// Takes every free byte.
    func fill() throws {
        let file = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw DemoFailure("making \(filler) failed: \(String(cString: strerror(errno)))") }
        defer { close(file) }
        let block = [UInt8](repeating: 0, count: 65_536)
        // No more than the file system has; it says ENOSPC before.
        for _ in 0..<Self.sizeMegabytes * 16 where write(file, block, block.count) <= 0 { break }
    }

    func makeRoom() throws {
        guard unlink(filler) == 0 || errno == ENOENT else {
            throw DemoFailure("removing \(filler) failed: \(String(cString: strerror(errno)))")
        }
    }

    /// What befalls packets from now on, in place of what did.
    func become(_ weather: Weather) async throws {
        // Between nodes; from nodes to the soak; from the soak to nodes.
        var rules: [(hook: String, rule: String)] = []
        switch weather {
        case .clear: break
        case .losing(let percent):
            rules = ["forward", "input", "output"].map { ($0, "numgen random mod 100 < \(percent) drop") }
        case .cut(let name):
            let address = addresses([name])
            rules = ["forward", "output"].map { ($0, "ip daddr \(address) drop") }
        case .split(let names):
            let (some, others) = (addresses(names), addresses(hosts.keys.filter { !names.contains($0) }))
            rules = [
                ("forward", "ip saddr \(some) ip daddr \(others) drop"),
                ("forward", "ip saddr \(others) ip daddr \(some) drop"),
            ]
        }
        let chains = Dictionary(grouping: rules, by: \.hook).sorted { $0.key < $1.key }.map { hook, rules in
            "chain \(hook) { type filter hook \(hook) priority 0; \(rules.map(\.rule).joined(separator: "; ")); };"
        }
        // Named before it is deleted, as it need not be there yet.
        let table =
            "add table bridge soak; delete table bridge soak; table bridge soak { \(chains.joined(separator: " ")) }"
        try await cluster.run(Self.nft, [table])
    }

    /// As a set of nftables.
    private func addresses(_ names: some Sequence<String>) -> String {
        "{ \(names.compactMap { hosts[$0]?.address }.sorted().joined(separator: ", ")) }"
    }
}
