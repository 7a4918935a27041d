import NIOCore
import TLS
import Vocabulary

/// What a get brought, and by which way.
public struct Download: Sendable, Hashable {
    public let name: String
    public let size: UInt64
    public let sha256: ContentDigest
    public let version: String?
    public let contentType: String?
    /// Who gave the (last) bytes.
    public let node: String?
    /// From the node asked to the one that answered.
    public let route: [String]
    /// How often it was resumed at the byte reached.
    public let resumes: Int
}

/// Reading resources: bytes arrive once, in order, whatever breaks on the way.
extension AgentClient {
    /// Failures in a row without a new byte before a get gives up. With the waits below that is some 6 s: longer than
    /// the failover of a node that died, shorter than the patience of whoever waits.
    public static let fruitlessAttemptsMax = 7
    static let firstRetryDelay = Duration.milliseconds(100)
    static let longestRetryDelay = Duration.seconds(2)

    /// Gets the resource's bytes into `write`, and checks the whole against its SHA-256.
    ///
    /// When a body breaks off it is resumed at the byte reached: from the same agent, which then chooses another
    /// holder, or from the next of the agents named. The version is pinned by the first answer, so two versions are
    /// never spliced.
    ///
    /// - Parameters:
    ///   - via: the node that shall answer; the agent asked forwards to it.
    ///   - progress: bytes so far, and the size where known.
    /// - Throws: `ClientError`: `.status(404, …)`, `.changed`, `.checksum`, or what the last attempt failed of. What
    ///   was written until then is not a resource: throw it away.
    public func get(
        _ name: String, version: String? = nil, via: String? = nil,
        progress: (@Sendable (UInt64, UInt64?) -> Void)? = nil,
        into write: @Sendable (ByteBuffer) async throws -> Void
    ) async throws -> Download {
        var transfer = Transfer(name: name, version: version, via: via, hasher: try SHA256Hasher())
        var fruitless = 0
        while true {
            let reached = transfer.received
            do {
                try await attempt(&transfer, progress: progress, write: write)
                return try transfer.finish()
            } catch let error as ClientError where error.isWorthAnotherAgent {
                let isFirstTry = !transfer.hasStarted && agents.count == 1
                if isFirstTry, !transfer.mayRetryFromStart(error) { throw error }
                fruitless = transfer.received > reached ? 0 : fruitless + 1
                guard fruitless < Self.fruitlessAttemptsMax else { throw transfer.overall(error) }
                if transfer.hasStarted { transfer.resumes += 1 }
                preferNextAgent()
                try await Task.sleep(for: Self.delay(after: fruitless))
            }
        }
    }

    /// Doubles from 100 ms to 2 s. A break after progress is tried again at once, nearly.
    private static func delay(after fruitless: Int) -> Duration {
        min(firstRetryDelay * (1 << min(fruitless, 8)), longestRetryDelay)
    }

    private func attempt(
        _ transfer: inout Transfer, progress: (@Sendable (UInt64, UInt64?) -> Void)?,
        write: @Sendable (ByteBuffer) async throws -> Void
    ) async throws {
        let request = transfer.request
        let response = try await send(request)
        try await Self.check(response, request)
        try transfer.begin(response, from: response.address)
        for try await part in response.body {
            guard let fresh = try transfer.take(part) else { continue }
            try await write(fresh)
            progress?(transfer.received, transfer.size)
        }
        try transfer.checkEnd(from: response.address)
    }
}

/// The state of one get across its attempts.
struct Transfer {
    let name: String
    let via: String?
    /// Pinned by the first answer.
    var version: String?
    var hasher: SHA256Hasher
    var received: UInt64 = 0
    var size: UInt64?
    var digest: ContentDigest?
    var contentType: String?
    var node: String?
    var route: [String] = []
    var resumes = 0
    /// Bytes at the front of this answer that are here already: the agent ignored the range.
    private var skip: UInt64 = 0

    init(name: String, version: String?, via: String?, hasher: SHA256Hasher) {
        self.name = name
        self.version = version
        self.via = via
        self.hasher = hasher
    }

    var hasStarted: Bool { digest != nil }

    /// Before the first byte only what looks like a passing state of the cluster is tried again.
    func mayRetryFromStart(_ error: ClientError) -> Bool {
        switch error {
        case .closed, .closedMidBody, .notIdle, .status: true
        case .badAddress, .badRequest, .cannotConnect, .refused, .timedOut, .badAnswer, .json, .changed, .checksum,
            .file, .credentials, .outputClosed:
            false
        }
    }

    /// The error of one answer, counted from the resource's first byte.
    func overall(_ error: ClientError) -> ClientError {
        guard case .closedMidBody(let address, _, _, let cause) = error else { return error }
        return .closedMidBody(by: address, received: received, expected: size, cause: cause)
    }

    var request: ClientRequest {
        var headers = HeaderFields()
        if let digest, received > 0 {
            headers.add("Range", "bytes=\(received)-")
            headers.add("If-Range", "\"\(digest.hex)\"")
            // The whole is checked here: the agent need not read what it does not send.
            headers.add("Roost-Verifies", "sha256")
        }
        return ClientRequest(
            "GET",
            ResourcePath.with(
                "/v1/resources/" + ResourcePath.encode(name), query: [("version", version), ("via", via)]),
            headers: headers)
    }

    /// Checks that this answer continues the ones before.
    mutating func begin(_ response: ClientResponse, from address: AgentAddress) throws(ClientError) {
        guard let tag = Self.digest(response.headers["etag"]) else {
            throw .badAnswer(from: address, reason: "a resource without an ETag of 64 hexadecimal digits")
        }
        if let digest, digest != tag { throw .changed(name: name, was: digest.hex, now: tag.hex) }
        skip = 0
        let total: UInt64?
        switch response.status {
        case 206:
            guard let range = response.headers["content-range"].flatMap(Self.contentRange), range.first == received
            else { throw .badAnswer(from: address, reason: "a part that does not begin at byte \(received)") }
            total = range.total
        case 200:
            skip = received
            total = response.contentLength
        default: throw .badAnswer(from: address, reason: "the status \(response.status) for a resource")
        }
        if let size, let total, size != total {
            throw .badAnswer(from: address, reason: "\(total) bytes where there were \(size) of the same SHA-256")
        }
        size = size ?? total
        digest = tag
        version = version ?? response.headers["roost-version"]
        contentType = response.headers["content-type"]
        node = response.headers["roost-node"]
        route =
            response.headers["roost-route"].map { text in
                text.split(separator: ",").map { String($0.drop { $0 == " " }) }
            } ?? []
    }

    /// The bytes of the part that are new, hashed.
    mutating func take(_ part: ByteBuffer) throws(ClientError) -> ByteBuffer? {
        var part = part
        if skip > 0 {
            let count = min(UInt64(part.readableBytes), skip)
            part.moveReaderIndex(forwardBy: Int(count))
            skip -= count
        }
        guard part.readableBytes > 0 else { return nil }
        hasher.update(part)
        received += UInt64(part.readableBytes)
        return part
    }

    func checkEnd(from address: AgentAddress) throws(ClientError) {
        guard let size, received != size else { return }
        throw .closedMidBody(by: address, received: received, expected: size, cause: "the answer ended early")
    }

    mutating func finish() throws(ClientError) -> Download {
        let actual = hasher.finish()
        guard let digest, digest == actual else {
            throw .checksum(name: name, expected: digest?.hex ?? "", actual: actual.hex)
        }
        return Download(
            name: name, size: received, sha256: actual, version: version, contentType: contentType, node: node,
            route: route, resumes: resumes)
    }

    private static func digest(_ tag: String?) -> ContentDigest? {
        guard let tag, tag.count == 66, tag.hasPrefix("\""), tag.hasSuffix("\"") else { return nil }
        return ContentDigest(hex: String(tag.dropFirst().dropLast()))
    }

    /// `bytes 5-9/10`; the total may be `*`.
    static func contentRange(_ text: String) -> (first: UInt64, total: UInt64?)? {
        guard text.hasPrefix("bytes ") else { return nil }
        let parts = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let dash = parts[0].firstIndex(of: "-"), let first = UInt64(parts[0][..<dash]),
            let last = UInt64(parts[0][parts[0].index(after: dash)...]), last >= first
        else { return nil }
        if parts[1] == "*" { return (first, nil) }
        guard let total = UInt64(parts[1]), last < total else { return nil }
        return (first, total)
    }
}
