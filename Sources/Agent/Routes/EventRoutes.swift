import Hummingbird

/// `GET /v1/events`: what happened to whom, as server-sent events; those of before first.
struct EventRoutes: Sendable {
    let box: CoreBox

    func add(to router: Router<APIContext>) {
        router.get("/v1/events") { request, context in
            try box.parts.core.events.response(to: request, over: context.connection)
        }
    }
}
