import Client
import Gossip
import HTTPTypes
import Hummingbird
import NIOConcurrencyHelpers
import NIOCore
import Node
import Relocation
import SWIM
import TLS
import Vocabulary

/// Who is there, who comes and goes: members, join, leave, restart, forget, revoke, peers.
struct MembershipRoutes: Sendable {
    let box: CoreBox

    func add(to router: Router<APIContext>) {
        router.get("/v1/members") { _, _ in Response.json(try members(box.parts.core)) }
        router.get("/v1/members/{name}/why") { _, context in
            Response.json(try why(context.parameters.get("name") ?? "", box.parts.core))
        }
        router.post("/v1/join") { request, context in
            let ask = try await request.json(API.JoinRequest.self, context: context)
            return Response.json(try await join(ask, box.parts))
        }
        router.post("/v1/leave") { request, context in
            let ask = try await request.json(API.LeaveRequest.self, context: context)
            return Response.json(try await leave(ask, box.parts))
        }
        router.post("/v1/restart") { request, context in
            _ = try await request.json(API.RestartRequest.self, context: context)
            return Response.json(try await restart(box.parts))
        }
        router.post("/v1/forget") { request, context in
            let ask = try await request.json(API.ForgetRequest.self, context: context)
            return Response.json(try await forget(ask, box.parts, fromNode: context.caller.node != nil))
        }
        router.post("/v1/revoke") { request, context in
            let ask = try await request.json(API.RevokeRequest.self, context: context)
            return Response.json(try await revoke(ask, box.parts))
        }
        router.get("/v1/peers") { _, _ in
            let core = try box.parts.core
            let peers = await core.peers.snapshot.map { peer in
                peer.api(rttMilliseconds: core.driver.read { $0.membership.member(peer.name)?.rtt?.milliseconds })
            }
            return Response.json(
                API.Peers(max: core.settings.peersMax, connected: peers.count, peers: peers))
        }
    }

    private func members(_ core: AgentCore) -> [API.Member] {
        let (members, ownHolds) = core.driver.read { ($0.membership.members, $0.convergence.totals.held) }
        let holds = core.holds.withLockedValue { $0 }
        let now = NodeDriver.now
        let wall = WallClock.milliseconds
        return members.map { member in
            let tags = member.metadata.tags.map { core.tags.tags($0) }
            return API.Member(
                name: member.name.text, address: member.endpoint.description,
                state: API.MemberState(rawValue: member.status.rawValue) ?? .alive,
                incarnation: UInt64(member.incarnation.number), zone: member.metadata.zone,
                weight: member.metadata.weight, rttMilliseconds: member.rtt?.milliseconds,
                since: API.Timestamp.text(
                    unixMilliseconds: wall &- UInt64(clamping: Int64((now - member.since).milliseconds))),
                version: member.metadata.version,
                holds: member.name == core.name ? ownHolds : holds[member.name],
                reach: member.name == core.name ? nil : member.reach.rawValue, tags: (tags ?? nil)?.byKey,
                // Of those who are gone nobody asks for what it has missed.
                tagsPending: tags == .some(nil) && !member.status.isDeparted ? true : nil)
        }
    }

    private func why(_ text: String, _ core: AgentCore) throws -> API.Explanation {
        guard let name = try? NodeName(text) else {
            throw APIError.badRequest("\(text) is no name of a node: use a DNS label")
        }
        let (found, findings, score) = core.driver.read { machine in
            (machine.membership.member(name), machine.membership.findings(about: name), machine.membership.healthScore)
        }
        guard let member = found else {
            throw APIError.notFound("no member has the name \(name)", code: "no_such_node")
        }
        let now = NodeDriver.now
        let wall = WallClock.milliseconds
        func time(_ instant: Instant) -> String {
            API.Timestamp.text(unixMilliseconds: wall &- UInt64(clamping: Int64((now - instant).milliseconds)))
        }
        return API.Explanation(
            name: name.text, state: API.MemberState(rawValue: member.status.rawValue) ?? .alive,
            since: time(member.since), reach: member.reach.rawValue, accusers: member.accusers.map(\.text),
            steps: findings.map { finding in
                API.Explanation.Step(
                    time: time(finding.at), type: FindingText.kind(finding.what),
                    text: FindingText.text(finding.what, of: name, at: member.endpoint, by: core.name))
            },
            refutation: FindingText.refutation(of: member), healthScore: score)
    }

    private func join(_ ask: API.JoinRequest, _ parts: CoreBox.Parts) async throws -> API.JoinResult {
        guard !ask.addresses.isEmpty, ask.addresses.count <= API.JoinRequest.addressesMax else {
            throw APIError.badRequest("name 1-\(API.JoinRequest.addressesMax) addresses")
        }
        var result = API.JoinResult(joined: [], failed: [], members: 0)
        var refusal: String?
        for address in ask.addresses {
            do {
                let node = try await parts.members.join(through: Endpoint(parsing: address))
                result.joined.append(node.text)
            } catch {
                if case JoinError.nameInUse(_, let message) = error { refusal = message }
                result.failed.append(API.JoinResult.Failure(address: address, message: "\(error)"))
            }
        }
        result.members = parts.core.driver.read { $0.membership.presentCount }
        guard !result.joined.isEmpty else {
            if let refusal {
                throw APIError(
                    .conflict, code: JoinError.nameInUseCode, refusal, hint: "one name is one host")
            }
            let reasons = result.failed.map { "\($0.address): \($0.message)" }.joined(separator: "; ")
            throw APIError(
                .badGateway, code: "cannot_join", "no address was a way into the cluster (\(reasons))",
                hint: "check that an agent of this cluster runs there and that port 7667 is open for TCP and UDP")
        }
        return result
    }

    private func leave(_ ask: API.LeaveRequest, _ parts: CoreBox.Parts) async throws -> API.LeaveResult {
        let limit = ask.timeoutMilliseconds.map { Duration.milliseconds(Int64(clamping: min($0, 86_400_000))) }
        let result = await parts.leave.leave(now: ask.now, timeout: limit ?? parts.core.settings.leave.timeout)
        parts.stop(.stopped)
        return result
    }

    private func restart(_ parts: CoreBox.Parts) async throws -> API.RestartResult {
        let result = try await parts.restart.announce()
        parts.stop(.restart(by: result.by))
        return result
    }

    /// An admin's word goes to every member; a member's word is for this one.
    private func forget(
        _ ask: API.ForgetRequest, _ parts: CoreBox.Parts, fromNode: Bool
    ) async throws -> API.ForgetResult {
        let core = parts.core
        let member = (try? NodeName(ask.node)).flatMap { name in core.driver.read { $0.membership.member(name) } }
        let unknown = APIError.notFound("there is no member \"\(ask.node.prefix(80))\"", code: "no_such_node")
        guard let node = try? NodeName(ask.node) else { throw unknown }
        if let member, !member.status.isDeparted {
            throw APIError(
                .conflict, code: "not_departed",
                "\(node) is \(member.status.rawValue): only who left or crashed is forgotten",
                hint: "stop its agent first")
        }
        // Long after the list of members is rid of it, deleted names may wait for its word.
        var isKnown =
            member != nil || parts.members.saved.remembers(node)
            || core.driver.read { $0.tombstones.acquaintances.known.contains(node) }
        if isKnown { await parts.members.forget(node) }
        var untold: [NodeName] = []
        if !fromNode {
            // Also whom this node has forgotten itself: of those who could not be told last time, some may answer now.
            let told = await parts.members.tellToForget(node)
            untold = told.untold
            isKnown = isKnown || told.knew
        }
        guard isKnown else { throw unknown }
        return API.ForgetResult(node: node.text, untold: untold.map(\.text))
    }

    private func revoke(_ ask: API.RevokeRequest, _ parts: CoreBox.Parts) async throws -> [String] {
        let core = parts.core
        var uris: [String] = []
        if let name = try? CertificateName(uri: ask.name) {
            guard name.cluster == core.cluster else {
                throw APIError.badRequest("\(ask.name) is not of the cluster \(core.cluster)")
            }
            uris = [name.uri]
        } else if let name = try? NodeName(ask.name) {
            uris = Role.allCases.map { CertificateName(cluster: core.cluster, role: $0, name: name).uri }
        } else {
            throw APIError.badRequest("\"\(ask.name.prefix(80))\" is neither a name nor roost://CLUSTER/ROLE/NAME")
        }
        guard !uris.contains(core.credentials.context.credentials.name.uri) else {
            throw APIError(
                .conflict, code: "oneself", "\(core.name) can not revoke itself", hint: "ask another node to do it")
        }
        await parts.members.revoke(uris)
        // Said to be revoked, it would be trusted to be.
        guard uris.allSatisfy({ core.revoked.contains(uri: $0) }) else {
            throw APIError(
                HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage"), code: "revocations_full",
                "\(ask.name.prefix(300)) is not revoked: the list is full, with \(RevocationList.countMax) names",
                hint: "make a new CA, and give certificates of it to those who may stay")
        }
        return core.revoked.all
    }
}
