import NIOCore
import TLS
import Vocabulary

/// Writing resources.
extension AgentClient {
    public struct WriteOptions: Sendable, Hashable {
        /// The node that the resource belongs to; `nil` keeps the present one.
        public var home: String?
        /// The head must be this version.
        public var ifVersion: String?
        /// The name must be free.
        public var ifAbsent: Bool
        public var contentType: String?
        /// Known beforehand: the agent refuses other bytes before it keeps them (422).
        public var sha256: ContentDigest?

        public init(
            home: String? = nil, ifVersion: String? = nil, ifAbsent: Bool = false, contentType: String? = nil,
            sha256: ContentDigest? = nil
        ) {
            self.home = home
            self.ifVersion = ifVersion
            self.ifAbsent = ifAbsent
            self.contentType = contentType
            self.sha256 = sha256
        }
    }

    /// What a write came to.
    public struct WriteAnswer: Sendable, Hashable {
        public let result: API.PutResult
        /// The write is kept, on fewer nodes than wanted (202).
        public let isShortOfCopies: Bool
        /// No such name existed before (201).
        public let isNew: Bool
        /// Who answered.
        public let node: String?
    }

    /// Puts the bytes under the name. It is never sent twice: an error after the connection was made leaves open
    /// whether the write happened, and `where` or `history` tells.
    ///
    /// - Throws: `ClientError`; `.checksum` when the cluster kept other bytes than were read here.
    public func put(_ name: String, _ upload: Upload, options: WriteOptions = WriteOptions()) async throws
        -> WriteAnswer
    {
        var headers = Self.conditions(options)
        headers.add("Content-Type", options.contentType ?? "application/octet-stream")
        if let home = options.home { headers.add("Roost-Home", home) }
        if let digest = options.sha256 { headers.add("Roost-SHA256", digest.hex) }
        let request = ClientRequest(
            "PUT", "/v1/resources/" + ResourcePath.encode(name), headers: headers,
            body: .stream(length: upload.length, upload))
        // Only then is an agent asked: it waits for the bytes of a body for a minute, and whoever feeds a pipe may need
        // longer for the first of them.
        try await upload.readAhead()
        let answer: WriteAnswer
        do { answer = try await write(request) } catch ClientError.closed(let address, _, let cause)
            where upload.length == nil
        {
            throw ClientError.closed(
                by: address, during: "the upload",
                cause: "\(cause) (an agent waits at most 60 s for the next bytes of a put)")
        }
        if let digest = upload.digest, let kept = answer.result.sha256, kept != digest.hex {
            throw ClientError.checksum(name: name, expected: digest.hex, actual: kept)
        }
        return answer
    }

    public func put(_ name: String, bytes: [UInt8], options: WriteOptions = WriteOptions()) async throws -> WriteAnswer
    {
        try await put(name, Upload(bytes: bytes), options: options)
    }

    public func delete(_ name: String, ifVersion: String? = nil) async throws -> WriteAnswer {
        try await write(
            ClientRequest(
                "DELETE", "/v1/resources/" + ResourcePath.encode(name),
                headers: Self.conditions(WriteOptions(ifVersion: ifVersion))))
    }

    /// `If-Match` carries a version as it carries an ETag, quoted: 64 hexadecimal digits are a digest, `a.b.c` is a
    /// version, and neither can be taken for the other.
    private static func conditions(_ options: WriteOptions) -> HeaderFields {
        var headers: HeaderFields = ["Accept": "application/json"]
        if let version = options.ifVersion { headers.add("If-Match", "\"\(version)\"") }
        if options.ifAbsent { headers.add("If-None-Match", "*") }
        return headers
    }

    private func write(_ request: ClientRequest) async throws -> WriteAnswer {
        let response = try await send(request, timeouts: timeouts.writing)
        try await Self.check(response, request)
        let body = try await response.body.collect(upTo: 1 << 20)
        return WriteAnswer(
            result: try API.JSON.decode(API.PutResult.self, from: body.readableBytesView),
            isShortOfCopies: response.status == 202, isNew: response.status == 201,
            node: response.headers["roost-node"])
    }
}
