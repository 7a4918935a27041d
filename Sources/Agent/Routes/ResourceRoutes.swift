import Client
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Node
import Relocation
import Resources
import SWIM
import Storage
import Vocabulary

/// `/v1/resources/NAME`: any node takes any request; the one that may answer does (DESIGN §7).
struct ResourceRoutes: Sendable {
    let box: CoreBox

    static let prefix = "/v1/resources/"

    func add(to router: Router<APIContext>) {
        router.get("/v1/resources/**") { request, context in
            let throttle = try box.parts.core.throttle
            let query = throttle.asked()
            let response = try await get(request, context)
            // A refusal is quick, and says nothing of how queries do.
            throttle.answered(query)
            return response
        }
        router.put("/v1/resources/**") { request, context in try await put(request, context) }
        router.delete("/v1/resources/**") { request, context in try await delete(request, context) }
        router.get("/v1/history/**") { request, context in try await history(request, context) }
    }

    static func name(_ request: Request, after prefix: String = Self.prefix) throws(APIError) -> ResourceName {
        let text = try request.name(after: prefix)
        do {
            return try ResourceName(text)
        } catch {
            throw .badRequest("\(error)", code: "bad_name")
        }
    }

    // MARK: Reading

    private func get(_ request: Request, _ context: APIContext) async throws -> Response {
        let core = try box.parts.core
        let name = try Self.name(request)
        let query = try request.query()
        let wanted = try query["version"].map { text throws(APIError) in
            guard let dot = Dot(text) else {
                throw .badRequest("\"\(text.prefix(80))\" is not a version", hint: "history lists them")
            }
            return dot
        }
        return try await read(name, request, context, core, via: query["via"], isOfHead: wanted == nil) {
            held, visited in
            try await serve(held, name: name, wanted: wanted, request, context, visited: visited, core)
        } redirecting: { node in
            guard query["redirect"] == "1", visitedIsEmpty(request) else { return nil }
            let endpoint = try core.calls.endpoint(of: node)
            let versionQuery = wanted.map { "?version=\($0)" } ?? ""
            let location = "https://\(endpoint)\(Self.prefix)\(ResourcePath.encode(name.text))\(versionQuery)"
            return Response(
                status: .temporaryRedirect, headers: [.location: location, .roostRoute: core.name.text])
        }
    }

    private func visitedIsEmpty(_ request: Request) -> Bool { request.headers[Visited.header] == nil }

    private func history(_ request: Request, _ context: APIContext) async throws -> Response {
        let core = try box.parts.core
        let name = try Self.name(request, after: "/v1/history/")
        return try await read(name, request, context, core, via: nil, isOfHead: false) { held, visited in
            guard let held else { throw Self.notFound(name, visited + [core.name]) }
            let versions = held.versions.enumerated().map { index, version in
                let seen = held.versions.contains { $0.context.covers(version.dot) }
                return API.HistoryEntry(
                    version: version.dot.description, kind: index == 0 ? .head : seen ? .earlier : .conflict,
                    deleted: version.isTombstone, sha256: version.digest?.hex, size: version.size,
                    modified: API.Timestamp.text(unixMilliseconds: version.time.wallMilliseconds),
                    contentType: version.mediaType, home: version.home?.text)
            }
            var response = Response.json(API.History(name: name.text, versions: versions))
            response.headers[.roostRoute] = Visited.text(visited + [core.name])
            return response
        } redirecting: { _ in
            nil
        }
    }

    /// Answers here when this node may; else passes the request along the slot's ring.
    ///
    /// - Parameter isOfHead: the newest version is all that is asked for: who holds that need not have what went before.
    private func read(
        _ name: ResourceName, _ request: Request, _ context: APIContext, _ core: AgentCore, via: String?,
        isOfHead: Bool,
        here: (VersionSet?, [NodeName]) async throws -> Response, redirecting: (NodeName) throws -> Response?
    ) async throws -> Response {
        let visited = try Visited.nodes(of: request, context)
        let unsureBefore = try Visited.unsure(of: request, context)
        let held = try await core.store.versions(of: name)
        let forwarding = Forwarding(core: core, loop: context.loop)
        if let via, visited.isEmpty {
            guard let node = try? NodeName(via) else { throw APIError.badRequest("\"via\" must be the name of a node") }
            if node != core.name {
                guard core.driver.read({ $0.membership.member(node) }) != nil else {
                    throw APIError.notFound("there is no member \(node)", code: "no_such_node")
                }
                let asked = Forwarding(core: core, loop: context.loop, insists: true)
                return try await forwarded { try await asked.answer(request, by: [node], visited: [], unsure: []) }
            }
        }
        let told = try Visited.vouched(of: request, context)
        let (route, isBehind, vouched) = core.driver.read { machine in
            (
                machine.route(
                    reading: name, held: held, visited: visited, unsure: unsureBefore, vouched: told,
                    at: NodeDriver.now),
                machine.isBehind(on: name, held: held, at: NodeDriver.now),
                machine.vouched(reading: name, held: held, at: NodeDriver.now)
            )
        }
        let unsure = isBehind ? unsureBefore + [core.name] : unsureBefore
        if route != .here, let vouched, isOfHead, visited.count + 1 < NodeMachine.hopsMax {
            do {
                return try await forwarding.answer(
                    request, by: vouched.holders, visited: visited, unsure: unsure, vouched: vouched.dot)
            } catch let nobody as NobodyAnswered where nobody.isBusy && !visited.isEmpty {
                throw nobody.apiError
            } catch is NobodyAnswered {
                // Others may hold it, too, or something newer.
            }
        }
        switch route {
        case .here: return try await here(held, visited)
        case .forward(let nodes):
            if let first = nodes.first, let redirect = try redirecting(first) { return redirect }
            guard nodes.last == core.name else {
                do {
                    return try await forwarding.answer(request, by: nodes, visited: visited, unsure: unsure)
                } catch var nobody as NobodyAnswered {
                    // That none of the others has it says nothing while this node may.
                    nobody.isSomebodyBehind = nobody.isSomebodyBehind || isBehind
                    throw nobody.apiError
                }
            }
            do {
                return try await forwarding.answer(request, by: nodes.dropLast(), visited: visited, unsure: unsure)
            } catch var nobody as NobodyAnswered {
                // What this node holds without being its owner may be older than what somebody has who is not in step, or has
                // no place for the question; and "there is none" is not its to say while those who may hold it are not in
                // step, or silent.
                let slot = Slot(ofName: name.text, in: core.cluster)
                guard !nobody.isSomebodyBehind,
                    held?.live != nil
                        ? unsureBefore.isEmpty && nobody.unasked.isEmpty
                        : core.driver.read({
                            $0.hasHeardEnough(of: slot, besides: nobody.silent + unsure, asked: visited + nodes)
                        })
                else {
                    // What it holds and may not answer with, others must not take for nothing.
                    nobody.isSomebodyBehind = nobody.isSomebodyBehind || held != nil
                    throw nobody.apiError
                }
                return try await here(held, visited)
            }
        case .nobody:
            throw APIError.unavailable(
                "\(core.name) is not yet in step for this name, and nobody else can be asked",
                code: isBehind ? NobodyAnswered.somebodyBehind : NobodyAnswered.noHolder,
                retryAfterSeconds: 1)
        }
    }

    private func forwarded(_ answer: () async throws -> Response) async throws -> Response {
        do { return try await answer() } catch let nobody as NobodyAnswered { throw nobody.apiError }
    }

    static func notFound(_ name: ResourceName, _ route: [NodeName], version: Dot? = nil) -> APIError {
        APIError(
            .notFound, code: version == nil ? "not_found" : "no_such_version",
            version.map { "there is no version \($0) of \"\(name)\"" } ?? "there is no resource \"\(name)\"",
            hint: version == nil ? "ls or find shows what there is" : "history lists the versions",
            headers: [.roostRoute: Visited.text(route)])
    }

    // MARK: Writing

    private func put(_ request: Request, _ context: APIContext) async throws -> Response {
        let parts = try box.parts
        let core = parts.core
        let name = try Self.name(request)
        let home = try home(of: request, core)
        let precondition = try Self.precondition(of: request)
        let mediaType = try Self.mediaType(of: request)
        let expected = try request.headers[.roostSHA256].map { text throws(APIError) in
            guard let digest = ContentDigest(hex: text) else {
                throw .badRequest("Roost-SHA256 must be 64 hexadecimal digits")
            }
            return digest
        }
        let body = try request.boundedBody(upTo: core.settings.bodyBytesMax, context: context)
        return try await StorageRefusal.translated {
            let incoming = try await core.store.receive(
                announcing: body.announced.map { UInt64(clamping: $0) }, owner: context.caller.shown)
            let lease: BlobLease
            do {
                for try await part in body { try await incoming.write(part) }
                lease = try await incoming.finish(expecting: expected)
            } catch {
                await incoming.abort()
                throw error
            }
            let content = Version.Content.blob(digest: lease.digest, size: lease.size, mediaType: mediaType)
            let receipt = try await parts.writes.write(
                WriteRequest(name: name, content: content, home: home, precondition: precondition), lease: lease,
                visited: [])
            return Self.answer(to: receipt)
        }
    }

    private func delete(_ request: Request, _ context: APIContext) async throws -> Response {
        let parts = try box.parts
        let name = try Self.name(request)
        let precondition = try Self.precondition(of: request)
        return try await StorageRefusal.translated {
            let receipt = try await parts.writes.write(
                WriteRequest(name: name, content: .tombstone, home: nil, precondition: precondition), lease: nil,
                visited: [])
            return Self.answer(to: receipt)
        }
    }

    /// 201 new, 200 replaced or deleted, 202 fewer copies than wanted.
    private static func answer(to receipt: WriteReceipt) -> Response {
        let version = receipt.version
        let body = API.PutResult(
            name: version.name.text, version: version.dot.description, sha256: version.digest?.hex, size: version.size,
            copies: receipt.copies.map(\.text).sorted())
        let status: HTTPResponse.Status =
            receipt.copies.count < receipt.wanted
            ? .accepted : receipt.replaced || version.isTombstone ? .ok : .created
        var response = Response.json(body, status: status)
        response.headers[.roostVersion] = version.dot.description
        response.headers[.roostRoute] = Visited.text(receipt.route)
        response.headers[.roostNode] = receipt.route.last?.text
        if let digest = version.digest { response.headers[.eTag] = "\"\(digest.hex)\"" }
        return response
    }

    private func home(of request: Request, _ core: AgentCore) throws(APIError) -> NodeName? {
        guard let text = request.headers[.roostHome] else { return nil }
        guard let home = try? NodeName(text), core.driver.read({ $0.membership.member(home) }) != nil else {
            throw .badRequest(
                "the home \"\(text.prefix(80))\" is not a member of the cluster", code: "no_such_node",
                hint: "members lists them")
        }
        return home
    }

    static func mediaType(of request: Request) throws(APIError) -> String {
        let text = request.headers[.contentType] ?? "application/octet-stream"
        guard text.utf8.count <= Version.mediaTypeByteCountMax, text.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else {
            throw .badRequest("Content-Type must be at most \(Version.mediaTypeByteCountMax) bytes of ASCII")
        }
        return text
    }

    /// `If-None-Match: *`; or `If-Match` with `*`, the ETag, or a version, quoted or bare.
    static func precondition(of request: Request) throws(APIError) -> Precondition {
        if let text = request.headers[.ifNoneMatch] {
            guard EntityTags(text) == .any else {
                throw .badRequest(
                    "a write takes If-None-Match: * only", hint: "use If-Match to replace a known version")
            }
            return .absent
        }
        guard let text = request.headers[.ifMatch] else { return .none }
        if EntityTags(text) == .any { return .present }
        var bare = text[...]
        while bare.first == " " || bare.first == "\"" { bare.removeFirst() }
        while bare.last == " " || bare.last == "\"" { bare.removeLast() }
        if let digest = ContentDigest(hex: String(bare)) { return .digest(digest) }
        if let dot = Dot(String(bare)) { return .version(dot) }
        if EntityTags(text) == .list([String(text.trimmingSpaces)]) {
            throw APIError(
                .preconditionFailed, code: "precondition_failed", "no version has the ETag \(text.prefix(80))",
                hint: "get or history tells what the name's is")
        }
        throw .badRequest("If-Match takes *, one ETag, or one version", hint: "get or history tells both")
    }
}

extension Version {
    var mediaType: String? {
        switch content {
        case .blob(_, _, let mediaType): mediaType
        case .tombstone: nil
        }
    }
}
