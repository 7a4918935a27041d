import Authority
import Client
import HTTPTypes
import Hummingbird
import Vocabulary

/// The cluster's CA, and its change to another one, on the node that has it. Admins only, and no node.
struct AuthorityRoutes: Sendable {
    let box: CoreBox

    func add(to router: Router<APIContext>) {
        router.get("/v1/ca") { _, _ in Response.json(try await rotation(box.parts).overview()) }
        router.post("/v1/ca/rotate") { request, context in
            let ask = try await request.json(API.RotateAuthorityRequest.self, context: context)
            guard let step = AuthorityOffice.RotationStep(rawValue: ask.step) else {
                throw APIError.badRequest(
                    "\"\(ask.step.prefix(40))\" is no step",
                    hint: AuthorityOffice.RotationStep.allCases.map(\.rawValue).joined(separator: ", "))
            }
            return Response.json(try await rotation(box.parts).take(step, without: Set(ask.without)))
        }
    }

    private func rotation(_ parts: CoreBox.Parts) throws(APIError) -> AuthorityService {
        guard let authority = parts.authority else {
            throw .noAuthority(
                on: parts.core.name,
                hint:
                    "ask the node that has it (--agent); a CA that is kept off the nodes is changed by hand: certs/README.md"
            )
        }
        return authority
    }
}
