import NIOCore
import TLS
import Vocabulary

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What the command line needs of a client without knowing TLS and NIO itself.
extension AgentClient {
    /// - Parameters:
    ///   - certificates: the folder with `ca.pem`, `cert.pem`, `key.pem`; needed for `https` addresses.
    ///   - node: who must answer; `nil` for any node of the cluster.
    ///   - presenting: whether our certificate is shown. Agents refuse who shows none; the demo has them do it.
    ///   - writePatience: how long a write that all agents put off is asked for again.
    /// - Throws: `ClientError.credentials`, `.badAddress`.
    public convenience init(
        agents: [AgentAddress], certificates: String?, node: String? = nil, presenting: Bool = true,
        connectTimeout: Duration = .seconds(10), timeouts: ClientTimeouts = .standard,
        writePatience: WritePatience = .none
    ) throws(ClientError) {
        var context: TLSContext?
        if let certificates {
            do {
                context = try TLSContext(credentials: Credentials(folder: certificates), presenting: presenting)
            } catch {
                throw .credentials(folder: certificates, reason: error.description)
            }
        }
        var expecting = ExpectedPeer.anyNode
        if let node {
            do { expecting = .node(try NodeName(node)) } catch {
                throw .badAddress(text: node, reason: error.description)
            }
        }
        try self.init(
            agents: agents, tls: context, expecting: expecting, connectTimeout: connectTimeout, timeouts: timeouts,
            writePatience: writePatience)
    }

    public enum Target: Sendable, Hashable {
        /// Appears whole and checked, or not at all (`AtomicFile`).
        case file(String)
        /// Bytes go out as they come: whether they were right shows only at the end.
        case standardOutput
    }

    public func get(
        _ name: String, version: String? = nil, via: String? = nil, to target: Target,
        progress: (@Sendable (UInt64, UInt64?) -> Void)? = nil
    ) async throws -> Download {
        switch target {
        case .file(let path):
            do {
                return try await get(name, version: version, via: via, toFile: path, progress: progress)
            } catch ClientError.checksum {
                // Some of it came from a disk that had rotten, which its holder found as late as this client; it has set
                // the file aside, and others answer.
                return try await get(name, version: version, via: via, toFile: path, progress: progress)
            }
        case .standardOutput:
            return try await get(name, version: version, via: via, progress: progress) { part in
                try AtomicFile.write(part, to: STDOUT_FILENO, path: "standard output")
            }
        }
    }

    private func get(
        _ name: String, version: String?, via: String?, toFile path: String,
        progress: (@Sendable (UInt64, UInt64?) -> Void)?
    ) async throws -> Download {
        // Opened first: a folder that can not be written to must not cost the transfer.
        let file = try AtomicFile(path: path)
        do {
            let download = try await get(name, version: version, via: via, progress: progress) { part in
                try file.write(part)
            }
            try file.commit()
            return download
        } catch {
            file.abort()
            throw error
        }
    }

    /// The whole resource in memory.
    ///
    /// - Throws: `ClientError.badRequest` past `limit` bytes.
    public func getBytes(
        _ name: String, version: String? = nil, via: String? = nil, upTo limit: Int = 64 << 20
    ) async throws -> (bytes: [UInt8], download: Download) {
        let gathered = Gathered()
        let download = try await get(name, version: version, via: via) { part in
            guard await gathered.append(part, limit: limit) else {
                throw ClientError.badRequest(reason: "\(name) has more than \(limit) bytes")
            }
        }
        return (await gathered.bytes, download)
    }

    private actor Gathered {
        var bytes: [UInt8] = []

        func append(_ part: ByteBuffer, limit: Int) -> Bool {
            guard part.readableBytes <= limit - bytes.count else { return false }
            bytes.append(contentsOf: part.readableBytesView)
            return true
        }
    }
}
