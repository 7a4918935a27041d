import Client
import NIOCore
import Node
import Relocation
import Resources
import SWIM
import Storage
import Vocabulary

/// Typed calls to other nodes, mostly JSON, over the peers table, each with its bound on time and size.
struct PeerCalls: Sendable {
    /// A listing or an exchange of 256 names with full histories stays far below this.
    static let answerBytesMax = 64 * 1024 * 1024

    let me: NodeName
    let driver: NodeDriver
    let peers: PeersTable

    /// Where the member is now.
    ///
    /// - Throws: `PeerCallError.unknown` when there is no such member.
    func endpoint(of node: NodeName) throws -> Endpoint {
        guard let member = driver.read({ $0.membership.member(node) }) else { throw PeerCallError.unknown(node) }
        return member.endpoint
    }

    func compare(_ request: CompareRequest, with node: NodeName) async throws -> CompareReply {
        try await inItsForm { form in
            let path = "/\(form.rawValue)/peer/compare"
            return try CompareReply(await octets(path, request.bytes, of: node, within: .seconds(30)), form)
        }
    }

    /// Of one that has no answer to sums, an agent of an earlier release, nothing is known to be the same.
    func compareSums(_ request: SumsRequest, with node: NodeName) async throws -> SumsReply {
        do {
            return try SumsReply(await octets("/v1/peer/sums", request.bytes, of: node, within: .seconds(30)))
        } catch PeerCallError.refused(_, _, status: 404, _) {
            return SumsReply()
        }
    }

    func exchange(_ request: ExchangeRequest, with node: NodeName) async throws -> ExchangeReply {
        try await inItsForm { form in
            let path = "/\(form.rawValue)/peer/exchange"
            return try ExchangeReply(await octets(path, request.bytes(form), of: node, within: .seconds(60)), form)
        }
    }

    func tombstones(_ request: TombstoneRequest, with node: NodeName) async throws -> TombstoneReply {
        try TombstoneReply(await octets("/v2/peer/tombstones", request.bytes, of: node, within: .seconds(30)))
    }

    private func inItsForm<Reply>(_ ask: (PeerForm) async throws -> Reply) async throws -> Reply {
        do {
            return try await ask(.second)
        } catch PeerCallError.refused(_, _, status: 404, _) {
            return try await ask(.first)
        }
    }

    /// The answer comes when the bytes are durable there, so it may take as long as they take.
    func offer(_ request: OfferRequest, to node: NodeName) async throws -> OfferReply {
        try await call(
            node, "POST", "/v1/peer/offer", request, within: TransferTime.limit(bytes: request.version.size),
            kind: .offer)
    }

    func write(_ order: WriteOrder, to node: NodeName, size: UInt64) async throws -> WriteReceipt {
        try await call(
            node, "POST", "/v1/peer/write", order, within: TransferTime.limit(bytes: size) * 2,
            isIdempotent: false, kind: .order)
    }

    /// Whether an order is to be carried out: whoever gave it may have given it up.
    func begin(_ order: OrderBegin, of giver: NodeName) async throws -> Bool {
        let answer: OrderStanding = try await call(giver, "POST", "/v1/peer/begin", order, within: .seconds(5))
        return answer.stands
    }

    func members(_ exchange: MembersExchange, with node: NodeName, at endpoint: Endpoint) async throws
        -> MembersExchange
    {
        let response = try await peers.request(
            to: node, at: endpoint, PeerAnswer.request("POST", "/v1/peer/members", exchange), idempotent: true,
            timeouts: Self.timeouts(.seconds(10)))
        return try await decode(response, "/v1/peer/members", from: node)
    }

    func digest(_ digest: MembersDigest, with node: NodeName, at endpoint: Endpoint) async throws -> MembersDigest {
        let response = try await peers.request(
            to: node, at: endpoint, PeerAnswer.request("POST", "/v1/peer/digest", digest),
            idempotent: true, timeouts: Self.timeouts(.seconds(10)))
        return try await decode(response, "/v1/peer/digest", from: node)
    }

    /// Within the time that a suspect has, or it is of no use.
    func probe(_ probe: MemberProbe, of node: NodeName, at endpoint: Endpoint) async throws -> MemberProbe {
        let response = try await peers.request(
            to: node, at: endpoint, PeerAnswer.request("POST", "/v1/peer/probe", probe), idempotent: true,
            patience: .hasOthers, timeouts: Self.timeouts(.seconds(3)))
        return try await decode(response, "/v1/peer/probe", from: node)
    }

    func certificates(of names: [NodeName], from node: NodeName, at endpoint: Endpoint) async throws
        -> [CertificateChain]
    {
        let ask = CertificatesRequest(wanted: names)
        let response = try await peers.request(
            to: node, at: endpoint, PeerAnswer.request("POST", "/v1/peer/certificates", ask), idempotent: true,
            timeouts: Self.timeouts(.seconds(10)))
        let reply: CertificatesReply = try await decode(response, "/v1/peer/certificates", from: node)
        return reply.certificates
    }

    /// Nobody waits for tags: when there is no place, they come later.
    func tags(_ wanted: [TagsDigest], from node: NodeName) async throws -> [[UInt8]] {
        let ask = TagsRequest(wanted: wanted)
        let response = try await peers.request(
            to: node, at: try endpoint(of: node), PeerAnswer.request("POST", "/v1/peer/tags", ask), idempotent: true,
            patience: .hasOthers, timeouts: Self.timeouts(.seconds(5)))
        // Base64 makes four bytes of three.
        let reply: TagsReply = try await decode(
            response, "/v1/peer/tags", from: node, bytesMax: 2 * TagsBook.answerBytesMax)
        return reply.tags.map { Array($0) }
    }

    func list(_ query: [(name: String, value: String?)], from node: NodeName) async throws -> PeerListing {
        let path = ResourcePath.with("/v1/peer/list", query: query)
        let (bytes, _) = try await bytes(from: node, ClientRequest("GET", path), path, within: .seconds(10))
        return try PeerListing(Array(buffer: bytes)[...])
    }

    /// - Returns: as many as were asked for, nil for what the node has not; and the answer's headers.
    func blobs(
        _ digests: [ContentDigest], from node: NodeName, _ purpose: Puller.Purpose
    ) async throws -> ([ByteBuffer?], HeaderFields) {
        let path = "/v1/peer/blobs"
        var request = try PeerAnswer.request("POST", path, BlobsRequest(wanted: digests))
        request.headers[Puller.purposeHeader] = purpose.rawValue
        let (bytes, headers) = try await bytes(
            from: node, request, path, within: TransferTime.limit(bytes: UInt64(BlobFrames.answerBytesMax)),
            kind: purpose.kind, bytesMax: BlobFrames.answerBytesMax)
        guard let blobs = BlobFrames.read(bytes, count: digests.count) else { throw PullError.unreadable(node) }
        return (blobs, headers)
    }

    func holdings(of node: NodeName) async throws -> PeerHoldings {
        try await get(node, "/v1/peer/holdings", within: .seconds(30))
    }

    func testimony(of name: ResourceName, from node: NodeName) async throws -> Testimony {
        let path = "/v1/peer/versions/" + ResourcePath.encode(name.text)
        let clock = ContinuousClock()
        let end = clock.now + PeerPlaces.placeTimeout
        while true {
            do {
                let answer: PeerVersions = try await get(node, path, within: .seconds(5))
                return answer.testimony
            } catch {
                guard PeersError.isBusy(error), clock.now < end else { throw error }
                // It is there, and has no place for the question: that is no silence.
                try await Task.sleep(for: PeerPlaces.busyPause)
            }
        }
    }

    func forget(_ node: NodeName, on member: NodeName) async throws {
        let _: API.ForgetResult = try await call(
            member, "POST", "/v1/forget", API.ForgetRequest(node: node.text), within: .seconds(5))
    }

    /// For a certificate of this node, by one that has the CA. Done twice it costs a line in the CA's log: while whom to
    /// trust changes, kept connections end.
    func renew(_ request: API.RenewRequest, from node: NodeName) async throws -> API.Renewed {
        try await call(node, "POST", "/v1/certificate", request, within: .seconds(10))
    }

    func certificate(of node: NodeName) async throws -> API.Certificate {
        try await get(node, "/v1/certificate", within: .seconds(5))
    }

    /// Has it get a new certificate from this node.
    func askToRenew(_ node: NodeName) async throws -> API.Certificate {
        try await call(node, "POST", "/v1/peer/renew", API.Empty(), within: .seconds(20))
    }

    // MARK: Plumbing

    static func timeouts(_ limit: Duration) -> ClientTimeouts {
        ClientTimeouts(idle: limit, total: limit)
    }

    private func call<Body: Encodable & Sendable, Answer: Decodable>(
        _ node: NodeName, _ method: String, _ path: String, _ body: Body, within limit: Duration,
        isIdempotent: Bool = true, kind: PeersTable.Kind = .control
    ) async throws -> Answer {
        let request = try PeerAnswer.request(method, path, body)
        let response = try await peers.request(
            to: node, at: try endpoint(of: node), request, idempotent: isIdempotent, kind: kind,
            timeouts: Self.timeouts(limit))
        return try await decode(response, path, from: node)
    }

    private func octets(_ path: String, _ body: [UInt8], of node: NodeName, within limit: Duration) async throws
        -> ArraySlice<UInt8>
    {
        let request = ClientRequest(
            "POST", path, headers: ["Content-Type": "application/octet-stream"],
            body: .bytes(ByteBuffer(bytes: body)))
        return Array(buffer: try await bytes(from: node, request, path, within: limit).0)[...]
    }

    private func bytes(
        from node: NodeName, _ request: ClientRequest, _ path: String, within limit: Duration,
        kind: PeersTable.Kind = .control, bytesMax: Int = answerBytesMax
    ) async throws -> (ByteBuffer, HeaderFields) {
        let response = try await peers.request(
            to: node, at: try endpoint(of: node), request, idempotent: true, kind: kind, timeouts: Self.timeouts(limit))
        let bytes = try await PeerAnswer.bytes(
            of: response.body, status: response.status, to: path, from: node, bytesMax: bytesMax)
        return (bytes, response.headers)
    }

    private func get<Answer: Decodable>(_ node: NodeName, _ path: String, within limit: Duration) async throws -> Answer
    {
        let response = try await peers.request(
            to: node, at: try endpoint(of: node), ClientRequest("GET", path), idempotent: true,
            timeouts: Self.timeouts(limit))
        return try await decode(response, path, from: node)
    }

    private func decode<Answer: Decodable>(
        _ response: PeerResponse, _ path: String, from node: NodeName, bytesMax: Int = answerBytesMax
    ) async throws -> Answer {
        try await PeerAnswer.value(
            of: response.body, status: response.status, to: path, from: node, bytesMax: bytesMax)
    }
}

/// How long a transfer may take before it counts as failed.
enum TransferTime {
    static let longest = Duration.seconds(3600)

    /// Ten seconds, and one more for each MiB: 8 Mbit/s is the slowest link that is waited for; an hour at most.
    static func limit(bytes: UInt64) -> Duration {
        min(longest, .seconds(10 + Int64(clamping: bytes / 1_048_576)))
    }
}

/// Why a call to another node did not work.
enum PeerCallError: Error, CustomStringConvertible {
    case unknown(NodeName)
    case tooLarge(NodeName, path: String, bytesMax: Int)
    case refused(NodeName, path: String, status: Int, API.ErrorBody)
    /// The failure detector doubts it, and it has not answered.
    case lost(NodeName)
    /// This node stops, and waits for nobody.
    case stopping

    var description: String {
        switch self {
        case .unknown(let node): "\(node) is not a member"
        case .tooLarge(let node, let path, let bytesMax): "\(node) answered \(path) with more than \(bytesMax) bytes"
        case .refused(let node, let path, let status, let body):
            "\(node) refused \(path) with \(status) \(body.error.code): \(body.error.message)"
        case .lost(let node): "\(node) does not answer, and the failure detector doubts it or takes it for gone"
        case .stopping: "this node is stopping"
        }
    }
}
