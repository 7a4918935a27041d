import Client
import Gossip
import HTTPTypes
import Hummingbird
import Vocabulary

/// The keys that seal the gossip: which there are, and a new one. Never the keys themselves: those go from node to node,
/// in the exchanges of members (`/v1/peer/members`), and nowhere else.
struct KeyRoutes: Sendable {
    let box: CoreBox

    func add(to router: Router<APIContext>) {
        router.get("/v1/keys") { _, _ in Response.json(await (try box.parts).keys.overview()) }
        router.post("/v1/keys/rotate") { request, context in
            _ = try await request.json(API.RotateRequest.self, context: context)
            guard let begun = try await (try box.parts).keys.begin() else {
                throw APIError.unavailable(
                    "this node has no key yet: it is on its way into the cluster", code: "joining",
                    retryAfterSeconds: 1)
            }
            return Response.json(
                API.KeyRotation(
                    id: begun.key.shownID, created: API.Timestamp.text(unixMilliseconds: begun.key.createdAt),
                    begun: begun.isNew),
                status: .accepted)
        }
    }
}
