import Client
import Hummingbird

/// `POST /v1/scrub`: an admin has the disk of this node checked now. How far it is, `/v1/status` says.
struct ScrubRoutes: Sendable {
    let box: CoreBox

    func add(to router: Router<APIContext>) {
        router.post("/v1/scrub") { request, context in
            _ = try await request.json(API.ScrubRequest.self, context: context)
            return Response.json(try await box.parts.core.scrub.ask(), status: .accepted)
        }
    }
}
