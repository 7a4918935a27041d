import Glibc

/// A loopback that loses packets or cuts somebody off, and a disk that fills up: possible only where neither is anybody else's, in network and
/// mount namespaces made for the soak, which take all of it away when the last process in them ends.
struct SoakGround: Sendable {
    /// The node whose disk is small.
    let narrow: String
    private let cluster: DemoCluster

    private static let sizeMegabytes = 64

    /// - Throws: `DemoFailure` outside such namespaces: on the machine's own loopback packets are everybody's.
    static func prepare(_ cluster: DemoCluster, narrow: String) async throws -> SoakGround {
        guard Self.interfaces == ["lo"] else {
            throw DemoFailure(
                "--rough would harm the whole machine here: use `make soak` as root, or unshare --mount --net first")
        }
        let ground = SoakGround(narrow: narrow, cluster: cluster)
        try cluster.folder.make("\(narrow)/data")
        try await cluster.run(
            "/usr/bin/mount", ["-t", "tmpfs", "-o", "size=\(sizeMegabytes)m,mode=0700", "roost-soak", ground.data])
        return ground
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
    ///
    /// - Parameters:
    ///   - percent: of all datagrams and segments, lost.
    ///   - port: that of a node whom nothing reaches; what it calls itself, it does reach.
    func rule(losing percent: Int, cutting port: UInt16?) async throws {
        var rules = percent > 0 ? ["numgen random mod 100 < \(percent) drop"] : []
        if let port {
            rules += ["udp dport \(port) drop", "udp sport \(port) drop", "tcp dport \(port) drop"]
        }
        let chain = (["type filter hook input priority 0"] + rules).map { "\($0);" }.joined(separator: " ")
        // Named before it is deleted, as it need not be there yet.
        let table = "add table inet soak; delete table inet soak; table inet soak { chain in { \(chain) }; }"
        try await cluster.run("/usr/sbin/nft", [table])
    }
}
