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

    /// Puts the bytes under the name. They are sent again only when the answer says that nothing was written, and they
    /// can be read once more: an error after the connection was made leaves open whether the write happened, and `where`
    /// or `history` tells.
    ///
    /// - Throws: `ClientError`; `.checksum` when the cluster kept other bytes than were read here.
    public func put(_ name: String, _ upload: Upload, options: WriteOptions = WriteOptions()) async throws
        -> WriteAnswer
    {
        var headers = Self.conditions(options)
        headers.add("Content-Type", options.contentType ?? "application/octet-stream")
        if let home = options.home { headers.add("Roost-Home", home) }
        if let digest = options.sha256 { headers.add("Roost-SHA256", digest.hex) }
        // Only then is an agent asked: it waits for the bytes of a body for a minute, and whoever feeds a pipe may need
        // longer for the first of them.
        try await upload.readAhead()
        var sent = upload
        let answer: WriteAnswer
        do {
            answer = try await write { isFirst in
                if !isFirst {
                    guard let again = upload.again() else { return nil }
                    sent = again
                }
                return ClientRequest(
                    "PUT", "/v1/resources/" + ResourcePath.encode(name), headers: headers,
                    body: .stream(length: sent.length, sent))
            }
        } catch ClientError.closed(let address, _, let cause) where upload.length == nil {
            throw ClientError.closed(
                by: address, during: "the upload",
                cause: "\(cause) (an agent waits at most 60 s for the next bytes of a put)")
        }
        if let digest = sent.digest, let kept = answer.result.sha256, kept != digest.hex {
            throw ClientError.checksum(name: name, expected: digest.hex, actual: kept)
        }
        return answer
    }

    public func put(_ name: String, bytes: [UInt8], options: WriteOptions = WriteOptions()) async throws -> WriteAnswer
    {
        try await put(name, Upload(bytes: bytes), options: options)
    }

    public func delete(_ name: String, ifVersion: String? = nil) async throws -> WriteAnswer {
        try await write { _ in
            ClientRequest(
                "DELETE", "/v1/resources/" + ResourcePath.encode(name),
                headers: Self.conditions(WriteOptions(ifVersion: ifVersion)))
        }
    }

    /// `If-Match` carries a version as it carries an ETag, quoted: 64 hexadecimal digits are a digest, `a.b.c` is a
    /// version, and neither can be taken for the other.
    private static func conditions(_ options: WriteOptions) -> HeaderFields {
        var headers: HeaderFields = ["Accept": "application/json"]
        if let version = options.ifVersion { headers.add("If-Match", "\"\(version)\"") }
        if options.ifAbsent { headers.add("If-None-Match", "*") }
        return headers
    }

    /// Asks each agent once while the answers say that nothing was written, and goes round again for as long as
    /// `writePatience` lasts where that may pass.
    ///
    /// - Parameter request: the request, the first time and again; `nil` when it can not be sent again.
    private func write(_ request: (_ isFirst: Bool) throws -> ClientRequest?) async throws -> WriteAnswer {
        let deadline = ContinuousClock.now + writePatience.limit
        var next = try request(true)
        // What an agent said is worth more than that another could not be reached, and that it may pass more than all.
        var refusal: ClientError?
        var failure: ClientError?
        var isFirstRound = true
        while true {
            for index in agentsInOrder {
                guard let present = next, isFirstRound || ContinuousClock.now < deadline else { break }
                let connection: ClientConnection
                do { connection = try await connect(to: index) } catch let error as ClientError
                    where error.isWorthAnotherAgent
                {
                    failure = failure ?? error
                    continue
                }
                do { return try await write(present, on: connection) } catch let error as ClientError
                    where error.saysNothingWasWritten
                {
                    if refusal?.isPassing != true || error.isPassing { refusal = error }
                    next = try request(false)
                }
            }
            // One that restarts may not listen when it is asked again.
            guard next != nil, let refusal, refusal.isPassing,
                ContinuousClock.now + Self.pauseBetweenRounds < deadline
            else {
                break
            }
            if isFirstRound { writePatience.waits(refusal) }
            isFirstRound = false
            try await Task.sleep(for: Self.pauseBetweenRounds)
        }
        throw refusal ?? failure ?? ClientError.badAddress(text: "", reason: "no agent is named")
    }

    /// As long as agents ask to wait (`Retry-After`).
    private static let pauseBetweenRounds = Duration.seconds(1)

    /// Whether a write was carried out could not be told of a kept connection that turns out to be closed, so it goes out
    /// on one of its own.
    private func write(_ request: ClientRequest, on connection: ClientConnection) async throws -> WriteAnswer {
        let response = try await connection.send(request, timeouts: timeouts.writing)
        try await Self.check(response, request)
        let body = try await response.body.collect(upTo: 1 << 20)
        return WriteAnswer(
            result: try API.JSON.decode(API.PutResult.self, from: body.readableBytesView),
            isShortOfCopies: response.status == 202, isNew: response.status == 201,
            node: response.headers["roost-node"])
    }
}

extension ClientError {
    /// It says so of the present moment only.
    fileprivate var isPassing: Bool {
        guard case .status(503, _, _, _) = self else { return false }
        return true
    }
}
