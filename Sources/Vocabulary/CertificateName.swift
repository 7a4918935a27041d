/// What the holder of a certificate may do. Rights grow from reader to node; CONTRACT names them.
public enum Role: String, Hashable, Sendable, CaseIterable, Codable {
    /// May read resources and look in.
    case reader
    /// May also put and delete.
    case client
    /// May also change the membership and the keys.
    case admin
    /// Another agent: may also call `/v1/peer/…`.
    case node
}

/// The one URI name that a certificate of Roost carries: `roost://CLUSTER/ROLE/NAME`.
public struct CertificateName: Hashable, Sendable, CustomStringConvertible {
    public let cluster: ClusterName
    public let role: Role
    /// A DNS label; for the role `node` it is the node's name.
    public let name: NodeName

    public init(cluster: ClusterName, role: Role, name: NodeName) {
        self.cluster = cluster
        self.role = role
        self.name = name
    }

    /// - Throws: `NameError.notACertificateName` for any other form, including a trailing slash or an empty part.
    public init(uri: String) throws(NameError) {
        let prefix = "roost://"
        guard uri.utf8.count <= 256, uri.hasPrefix(prefix) else { throw .notACertificateName(text: uri) }
        let parts = uri.dropFirst(prefix.count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, let role = Role(rawValue: String(parts[1])),
            let cluster = try? ClusterName(String(parts[0])), let name = try? NodeName(String(parts[2]))
        else { throw .notACertificateName(text: uri) }
        self.init(cluster: cluster, role: role, name: name)
    }

    public var uri: String { "roost://\(cluster)/\(role.rawValue)/\(name)" }
    public var description: String { uri }
}
