import Client
import HTTPTypes
import Hummingbird
import NIOConcurrencyHelpers
import NIOCore
import Node
import Relocation
import Resources
import SWIM
import Storage
import Vocabulary

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `/v1/peer/…`: what nodes ask of one another. The router let only node certificates through.
struct PeerRoutes: Sendable {
    let box: CoreBox

    /// A few claims.
    private static let probeBytesMax = 64 * 1024

    static let bodyBytesMax = PeerCalls.answerBytesMax
    /// Names, or a few certificates.
    static let questionBytesMax = 1 << 20

    func add(to router: Router<APIContext>) {
        router.post("/v1/peer/members") { request, context in
            let ask = try await request.json(MembersExchange.self, upTo: Self.bodyBytesMax, context: context)
            let asker = try Self.asker(context, saysItIs: ask.node)
            return Response.json(try await box.parts.members.answer(ask, from: asker, at: context.remoteAddress))
        }
        router.post("/v1/peer/digest") { request, context in
            let ask = try await request.json(MembersDigest.self, upTo: Self.probeBytesMax, context: context)
            let asker = try Self.asker(context, saysItIs: ask.node)
            return Response.json(try await box.parts.members.answer(ask, from: asker))
        }
        router.post("/v1/peer/probe") { request, context in
            let ask = try await request.json(MemberProbe.self, upTo: Self.probeBytesMax, context: context)
            let asker = try Self.asker(context, saysItIs: ask.node)
            return Response.json(try await box.parts.members.answer(ask, from: asker))
        }
        router.post("/v1/peer/certificates") { request, context in
            let ask = try await request.json(CertificatesRequest.self, upTo: Self.questionBytesMax, context: context)
            return Response.json(
                CertificatesReply(certificates: try box.parts.core.certificates.chains(of: ask.wanted)))
        }
        router.post("/v1/peer/tags") { request, context in
            let ask = try await request.json(TagsRequest.self, upTo: Self.probeBytesMax, context: context)
            return Response.json(TagsReply(tags: try box.parts.core.tags.answer(ask.wanted).map { Data($0) }))
        }
        router.post("/v1/peer/holder") { request, context in
            let ask = try await request.json(HolderQuestion.self, upTo: Self.questionBytesMax, context: context)
            let claims = try box.parts.core.claims
            return Response.json(
                try claims.conflicts.answer(ask, from: Self.asker(context), claims.verifier))
        }
        for form in PeerForm.allCases {
            router.post("/\(form.rawValue)/peer/compare") { request, context in
                let ask = try await Self.octets(of: request, context) { try CompareRequest($0) }
                return Self.octets(try box.parts.core.driver.answer(ask, from: Self.asker(context)).bytes(form))
            }
            router.post("/\(form.rawValue)/peer/exchange") { request, context in
                let ask = try await Self.octets(of: request, context) { try ExchangeRequest($0, form) }
                return Self.octets(try await exchange(ask, from: Self.asker(context)).bytes(form))
            }
        }
        router.post("/v1/peer/sums") { request, context in
            let ask = try await Self.octets(of: request, context) { try SumsRequest($0) }
            return Self.octets(try box.parts.core.driver.answer(ask, from: Self.asker(context)).bytes)
        }
        router.post("/v2/peer/tombstones") { request, context in
            let ask = try await Self.octets(of: request, context) { try TombstoneRequest($0) }
            let (core, asker) = (try box.parts.core, try Self.asker(context))
            guard core.driver.read({ $0.membership.member(asker) }) != nil else {
                throw APIError(.conflict, code: "no_member", "\(asker) is no member here")
            }
            return Self.octets(try await TombstoneService(core: core).answer(ask).bytes)
        }
        router.post("/v1/peer/offer") { request, context in
            let ask = try await request.json(OfferRequest.self, upTo: Self.bodyBytesMax, context: context)
            return Response.json(
                try await StorageRefusal.translated { try await accept(ask, from: Self.asker(context)) })
        }
        router.post("/v1/peer/write") { request, context in
            let order = try await request.json(WriteOrder.self, upTo: Self.bodyBytesMax, context: context)
            guard (order.attempts?.count ?? 0) <= WriteRequest.attemptsMax else {
                throw APIError.badRequest("a write has been begun by at most \(WriteRequest.attemptsMax) nodes")
            }
            return Response.json(
                try await StorageRefusal.translated {
                    try await box.parts.writes.take(order, from: Self.asker(context))
                })
        }
        router.post("/v1/peer/begin") { request, context in
            let ask = try await request.json(OrderBegin.self, upTo: Self.probeBytesMax, context: context)
            let taker = try Self.asker(context)
            let stands = try box.parts.core.orders.withLockedValue { $0.begin(ask.id, by: taker, as: ask.attempt) }
            return Response.json(OrderStanding(stands: stands))
        }
        router.get("/v1/peer/list") { request, _ in
            Self.octets(try await box.parts.catalogue.page(CatalogueRoutes.query(request)).bytes)
        }
        router.get("/v1/peer/holdings") { _, _ in
            Response.json(try await PlanService(core: box.parts.core).holdings())
        }
        router.get("/v1/peer/versions/**") { request, _ in
            let name = try ResourceRoutes.name(request, after: "/v1/peer/versions/")
            let core = try box.parts.core
            let outlook = core.driver.read { $0.outlook(on: name, at: NodeDriver.now) }
            return Response.json(PeerVersions(outlook.testimony(holding: try await core.store.versions(of: name))))
        }
        router.post("/v1/peer/blobs") { request, context in
            let ask = try await request.json(BlobsRequest.self, upTo: Self.probeBytesMax, context: context)
            return try await blobs(ask.wanted, takesTurns: takesTurns(request))
        }
        router.get("/v1/peer/blobs/{sha256}") { request, context in try await blob(request, context) }
    }

    private static func asker(_ context: APIContext, saysItIs claimed: NodeName? = nil) throws(APIError) -> NodeName {
        guard let node = context.caller.node else { throw .forbidden("only nodes may ask this") }
        if let claimed, claimed != node {
            throw .badRequest("the certificate says \(node), the body \(claimed)", code: "wrong_node")
        }
        return node
    }

    private func exchange(_ ask: ExchangeRequest, from asker: NodeName) async throws -> ExchangeReply {
        let core = try box.parts.core
        guard ask.groups.count <= 4096 else { throw APIError.tooLarge(limit: 4096) }
        let before = core.driver.read { $0.convergence.kept(of: ask, for: asker) }
        var mine: [ResourceName: VersionSet] = [:]
        for sets in try await core.store.versions(in: ask.groups.map(\.key)) {
            for set in sets { mine[set.name] = set }
        }
        let elsewhere = ask.groups.flatMap(\.sets).map(\.name).filter { mine[$0] == nil }
        for set in try await core.store.versions(of: elsewhere) { mine[set.name] = set }
        let sets = Array(mine.values)
        let reply = core.driver.read { $0.convergence.answer(ask, from: asker, mine: sets, before: before) }
        core.driver.feed(.convergence(.offered(by: asker, ask.groups, mine: sets)))
        return reply
    }

    /// Makes an offered version durable here, then says so.
    private func accept(_ offer: OfferRequest, from asker: NodeName) async throws -> OfferReply {
        let core = try box.parts.core
        let version = offer.version
        // A drain waits for what is under way, so what passes the look below is handed over by it.
        core.intake.began(version.name)
        defer { core.intake.ended(version.name) }
        do {
            var leases: [BlobLease] = []
            if case .blob(let digest, let size, _) = version.content {
                try Self.refuseWhileDraining(core)
                leases = [try await core.puller.obtain(digest, size: size, from: [asker], for: .write)]
            }
            try Self.refuseWhileDraining(core)
            try await core.store.merge([version], holding: leases) { groups in
                core.driver.feed(.convergence(.wrote(groups, version)))
            }
        } catch {
            let isOfDisk = StorageError.isOfDisk(error)
            core.driver.feed(.convergence(.declined(version, from: asker, byDisk: isOfDisk)))
            // Who offered it may ask next what is held here. What was judged before this node knew of it is to be seen then. A
            // store that is closed makes nothing more.
            if isOfDisk { try? await core.store.settled() }
            throw error
        }
        core.driver.feed(.convergence(.told(by: asker, offer.status)))
        let held = try await core.store.versions(of: version.name)
        return OfferReply(
            status: core.driver.read { $0.convergence.status(of: offer.status.key) }, offered: version, held: held)
    }

    private static func refuseWhileDraining(_ core: AgentCore) throws(APIError) {
        guard core.driver.read({ $0.isDraining }) else { return }
        throw .unavailable("\(core.name) is leaving", code: "draining", retryAfterSeconds: 60)
    }

    /// Who leaves has not much time.
    private func takesTurns(_ request: Request) throws -> Bool {
        let purpose = HTTPField.Name(Puller.purposeHeader).flatMap { request.headers[$0] }
        return try purpose == Puller.Purpose.move.rawValue && !box.parts.core.driver.read { $0.isDraining }
    }

    /// Several small ones in one answer. What can not be given so is as good as absent: it is asked for elsewhere.
    private func blobs(_ wanted: [ContentDigest], takesTurns: Bool) async throws -> Response {
        let core = try box.parts.core
        guard wanted.count <= BlobFrames.countMax else {
            throw APIError.badRequest("at most \(BlobFrames.countMax) blobs may be asked for at once")
        }
        let turn = takesTurns ? try await core.throttle.turn() : nil
        defer { turn?.end() }
        let found = try await MoveThrottle.work(in: turn) {
            try await core.store.smallBlobs(wanted, bytesMax: BlobFrames.bytesMax)
        }
        var answer = ByteBuffer()
        for (digest, blob) in zip(wanted, found) {
            switch blob {
            case .whole(let bytes):
                core.traffic.sent(bytes.readableBytes)
                BlobFrames.add(bytes, to: &answer)
            case .failed(let error, let reader):
                core.repairs.met(digest, error, reader)
                BlobFrames.add(nil, to: &answer)
            case .missing, .large: BlobFrames.add(nil, to: &answer)
            }
        }
        var response = Self.octets(answer)
        if takesTurns { Self.tellShare(core, &response) }
        return response
    }

    /// Whoever fetches is to take no larger a share of its own time: what a query here feels may be the work over there.
    private static func tellShare(_ core: AgentCore, _ response: inout Response) {
        guard let share = core.throttle.shareToTell, let name = HTTPField.Name(MoveThrottle.shareHeader) else { return }
        response.headers[name] = share
    }

    /// What is sent in a binary form.
    private static func octets<Value>(
        of request: Request, _ context: APIContext, read: (ArraySlice<UInt8>) throws -> Value
    ) async throws -> Value {
        let body = try await request.boundedBody(upTo: bodyBytesMax, context: context).collect()
        do {
            return try read(Array(buffer: body)[...])
        } catch {
            throw APIError.badRequest("the body has not the form expected here: \(error)", code: "bad_form")
        }
    }

    private static func octets(_ bytes: [UInt8]) -> Response { octets(ByteBuffer(bytes: bytes)) }

    private static func octets(_ bytes: ByteBuffer) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/octet-stream"], body: ResponseBody(byteBuffer: bytes))
    }

    private func blob(_ request: Request, _ context: APIContext) async throws -> Response {
        let core = try box.parts.core
        guard let digest = context.parameters.get("sha256").flatMap({ ContentDigest(hex: $0) }) else {
            throw APIError.badRequest("a blob is named by 64 hexadecimal digits")
        }
        guard let reader = try await core.store.blob(digest), let total = Int(exactly: reader.size) else {
            throw APIError.notFound("the bytes \(digest) are not here", code: "no_such_blob")
        }
        let (traffic, repairs) = (core.traffic, core.repairs)
        let throttle = try takesTurns(request) ? core.throttle : nil
        // Whoever pulls checks the whole. That its holder checks as well, where it reads all of it anyhow, is how a holder
        // hears of its own disk.
        func bytes(_ offset: Int, _ count: Int, _ check: BlobBytes.Check) -> BlobBytes {
            BlobBytes(
                reader: reader, offset: UInt64(offset), count: UInt64(count), check: check, throttle: throttle,
                onRead: { traffic.sent($0) }, onFailure: { repairs.met(digest, $0, reader) })
        }
        var response: Response
        switch ByteRange.parse(request, etag: "\"\(digest.hex)\"", size: total) {
        case .whole:
            response = .stream(count: total, pacedBy: context.loop, bytes(0, total, .whole(try CheckedRead(reader))))
        case .part(let offset, let count):
            response = .stream(
                status: .partialContent,
                headers: [.contentRange: ByteRange.contentRange(offset: offset, count: count, size: total)],
                count: count, pacedBy: context.loop, bytes(offset, count, .byReader))
        case .unsatisfiable: throw APIError.unsatisfiable(size: total)
        }
        if throttle != nil { Self.tellShare(core, &response) }
        return response
    }
}
