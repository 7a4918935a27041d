import Authority
import Client
import HTTPTypes
import Hummingbird
import Logging
import Node
import SWIM
import TLS
import Vocabulary

/// Invitations: made, listed and revoked on the node that has the CA. Admins only, and no node: a node that was taken over
/// must not make itself others.
struct InvitationRoutes: Sendable {
    let box: CoreBox
    /// Nil on a node without a CA.
    let desk: EnrolmentDesk?

    func add(to router: Router<APIContext>) {
        router.get("/v1/invitations") { _, _ in Response.json(try await list(box.parts.core)) }
        router.post("/v1/invitations") { request, context in
            let ask = try await request.json(API.InviteRequest.self, context: context)
            return Response.json(try await invite(ask, box.parts.core), status: .created)
        }
        router.post("/v1/invitations/revoke") { request, context in
            let ask = try await request.json(API.RevokeInvitationRequest.self, context: context)
            return Response.json(try await revoke(ask, box.parts.core))
        }
    }

    private func invite(_ ask: API.InviteRequest, _ core: AgentCore) async throws -> API.Invite {
        guard let role = Role(rawValue: ask.role) else {
            throw APIError.badRequest("\"\(ask.role.prefix(40))\" is no role", hint: "node, client, reader or admin")
        }
        let offer = try offer(ask, role)
        let name = offer.name
        if let name, core.revoked.contains(CertificateName(cluster: core.cluster, role: role, name: name)) {
            throw APIError(
                .conflict, code: "name_revoked", "\(name) was revoked in this cluster", hint: "choose another name")
        }
        let office = try office(offer, core)
        var addresses = try via(ask)
        addresses.append(core.driver.read { $0.membership.oneself.endpoint })
        do throws(AuthorityError) {
            let (token, invitation) = try await office.invite(offer, addresses: addresses)
            guard core.credentials.context.credentials.trusts(keyDigest: token.pin) else {
                _ = try await office.revoke(invitation.id)
                throw .notAnAuthority(
                    path: office.folder, reason: "it is another CA than the one that this node's certs name")
            }
            core.log.notice(
                "invited a host",
                metadata: [
                    "invitation": "\(invitation.id)", "role": "\(role.rawValue)", "name": "\(name?.text ?? "-")",
                ])
            return API.Invite(token: token.text, invitation: Self.api(invitation))
        } catch {
            throw APIError(error, byHand: Self.byHand(offer, core))
        }
    }

    private func offer(_ ask: API.InviteRequest, _ role: Role) throws -> AuthorityOffice.Offer {
        var offer = AuthorityOffice.Offer(role: role, ips: ask.ips, dns: ask.dns)
        if let text = ask.name {
            do { offer.name = try NodeName(text) } catch { throw APIError.badRequest("\(error)") }
        }
        if let text = ask.expires {
            guard let duration = DurationText.parse(text), AuthorityOffice.expiries.contains(duration) else {
                throw APIError.badRequest(
                    "\"\(text.prefix(40))\" is no time that an invitation is good for", hint: "from 1m to 30d")
            }
            offer.validFor = duration
        }
        return offer
    }

    private func via(_ ask: API.InviteRequest) throws -> [Endpoint] {
        guard ask.via.count < InvitationToken.addressesMax else {
            throw APIError.badRequest("name at most \(InvitationToken.addressesMax - 1) addresses")
        }
        return try ask.via.map { text in
            do { return try Endpoint(parsing: text) } catch { throw APIError.badRequest("\(error)") }
        }
    }

    private func office(_ offer: AuthorityOffice.Offer, _ core: AgentCore) throws(APIError) -> AuthorityOffice {
        guard let desk else {
            throw .noAuthority(on: core.name, hint: Self.byHand(offer, core))
        }
        return desk.office
    }

    /// What to type where the CA's key is kept off the nodes. A node's goes on to its start: without `join` it would be a
    /// cluster of its own.
    private static func byHand(_ offer: AuthorityOffice.Offer, _ core: AgentCore) -> String {
        let name = offer.name?.text ?? "NAME"
        let folder = offer.role == .node ? AgentSettings().certificatesFolder : "certs"
        let steps =
            "ask the node whose configuration has ca (--agent). Where the CA's key is kept off the nodes, by hand: "
            + "(1) on the new host: roost csr --\(offer.role.rawValue) \(name) --out \(folder); "
            + "(2) carry \(folder)/request.pem to the CA: roost ca sign CA_DIR request.pem --out signed; "
            + "(3) carry signed/cert.pem and signed/ca.pem back into \(folder), beside key.pem"
        guard offer.role == .node else { return steps }
        let member = core.driver.read { $0.membership.oneself.endpoint }
        return steps
            + "; (4) there, add to /etc/roost/roost.yaml: join: [\"\(member)\"]; "
            + "(5) systemctl enable --now roost, or: roost agent --config /etc/roost/roost.yaml"
    }

    private func list(_ core: AgentCore) async throws -> [API.Invitation] {
        guard let desk else { return [] }
        do throws(AuthorityError) { return try await desk.office.list().map(Self.api) } catch {
            throw APIError(error, byHand: Self.byHand(.init(), core))
        }
    }

    private func revoke(
        _ ask: API.RevokeInvitationRequest, _ core: AgentCore
    ) async throws -> [String: String] {
        let unknown = APIError.notFound(
            "there is no invitation \"\(ask.id.prefix(40))\"", code: "no_such_invitation",
            hint: "roost invite list shows them")
        guard let desk else { throw unknown }
        do throws(AuthorityError) {
            guard try await desk.office.revoke(ask.id) else { throw AuthorityError.refused(.unknown) }
        } catch {
            if case .refused = error { throw unknown }
            throw APIError(error, byHand: Self.byHand(.init(), core))
        }
        return ["revoked": ask.id]
    }

    private static func api(_ invitation: Invitation) -> API.Invitation {
        API.Invitation(
            id: invitation.id, role: invitation.role.rawValue, name: invitation.name?.text,
            state: invitation.state(at: Authority.Timestamp.now).rawValue,
            created: Authority.Timestamp.text(invitation.created),
            expires: Authority.Timestamp.text(invitation.expires), usedBy: invitation.use?.name.text,
            usedAt: invitation.use.map { Authority.Timestamp.text($0.at) })
    }
}
