import Authority
import Client
import HTTPTypes
import Hummingbird
import Logging
import Node
import SWIM
import TLS
import Vocabulary

/// Certificates of those who have one: what this node shows, and another for who asks where the CA is. A stolen key can
/// renew itself like any other, until its name is revoked.
struct CertificateRoutes: Sendable {
    let box: CoreBox
    /// Nil on a node without a CA.
    let desk: EnrolmentDesk?

    func add(to router: Router<APIContext>) {
        router.get("/v1/certificate") { _, _ in Response.json(try box.parts.certificates.overview) }
        router.post("/v1/certificate") { request, context in
            let ask = try await request.json(API.RenewRequest.self, context: context)
            return Response.json(try await renew(ask, context.caller, box.parts.core), status: .created)
        }
        router.post("/v1/peer/renew") { request, context in
            _ = try await request.json(API.Empty.self, context: context)
            return Response.json(try await renewThis(asking: context.caller.node, box.parts))
        }
    }

    private func renew(_ ask: API.RenewRequest, _ caller: Caller, _ core: AgentCore) async throws -> API.Renewed {
        guard case .certificate(let identity) = caller else {
            throw APIError.badRequest(
                "only who shows a certificate can renew it",
                hint: "ask over TLS: --agent https://HOST --certs DIR")
        }
        guard let desk else {
            throw APIError.noAuthority(on: core.name, hint: "ask the node that has it")
        }
        let (present, request): (X509Certificate, X509Request)
        do throws(X509Error) {
            present = try X509Certificate(pem: Array(ask.present.utf8))
            request = try X509Request(pem: Array(ask.request.utf8))
        } catch {
            throw APIError.badRequest("\(error)")
        }
        guard desk.admitsRenewal(of: identity.name) else {
            throw APIError(
                .tooManyRequests, code: "too_many_renewals", "\(identity.name) was renewed too often lately",
                hint: "once in ten minutes")
        }
        do throws(AuthorityError) {
            let signed = try await desk.office.renew(request, of: identity.name, present: present)
            core.log.notice(
                "renewed a certificate",
                metadata: ["name": "\(signed.entry.name)", "serial": "\(signed.entry.serial)"])
            return API.Renewed(signed)
        } catch .refused(let refusal) {
            throw APIError.badRequest(refusal.message)
        } catch {
            core.log.warning(
                "could not renew a certificate", metadata: ["name": "\(identity.name)", "error": "\(error)"])
            throw APIError.unavailable("the CA can not sign: \(error)", code: "unable", retryAfterSeconds: 5)
        }
    }

    /// The node that has the CA wants this one to renew: whom to trust has changed.
    private func renewThis(asking node: NodeName?, _ parts: CoreBox.Parts) async throws -> API.Certificate {
        do { try await parts.certificates.renewNow(asking: node) } catch {
            throw APIError.unavailable("\(error)".printable(max: 300), code: "not_renewed", retryAfterSeconds: 5)
        }
        return parts.certificates.overview
    }
}
