import Client
import HTTPTypes
import Hummingbird
import Node
import Resources
import Vocabulary

/// `GET /v1/resources` and `GET /v1/where/NAME`: what the whole cluster holds.
struct CatalogueRoutes: Sendable {
    let box: CoreBox

    func add(to router: Router<APIContext>) {
        router.get("/v1/resources") { request, _ in
            let query = try Self.query(request)
            try refuseOnTheWayIn()
            return Response.json(try await box.parts.catalogue.list(query))
        }
        router.get("/v1/where/**") { request, _ in
            let name = try ResourceRoutes.name(request, after: "/v1/where/")
            try refuseOnTheWayIn()
            do {
                return Response.json(try await box.parts.catalogue.locate(name))
            } catch CatalogueError.notFound {
                throw APIError.notFound("there is no resource \"\(name)\"", hint: "ls or find shows what there is")
            }
        }
    }

    /// Before it has found a member a node would tell an empty list for the cluster's.
    private func refuseOnTheWayIn() throws(APIError) {
        let core = try box.parts.core
        guard core.driver.read({ $0.isJoining }) else { return }
        throw .unavailable(
            "\(core.name) is on its way into the cluster, and can not say what that holds", code: "joining",
            retryAfterSeconds: 1)
    }

    static func query(_ request: Request) throws(APIError) -> CatalogueService.Query {
        let values = try request.query()
        var query = CatalogueService.Query()
        query.prefix = values["prefix"] ?? ""
        query.pattern = values["pattern"]
        guard query.prefix.utf8.count <= ResourceName.byteCountMax, (query.pattern?.utf8.count ?? 0) <= 2048 else {
            throw .badRequest("the prefix or the pattern is longer than any name")
        }
        if let text = values["limit"] {
            guard let limit = Int(text), (1...CatalogueService.limitMax).contains(limit) else {
                throw .badRequest("limit must be 1-\(CatalogueService.limitMax)")
            }
            query.limit = limit
        }
        if let text = values["after"] {
            guard let after = try? ResourceName(text) else { throw .badRequest("after must be the name of a resource") }
            query.after = after
        }
        query.conflictsOnly = values["conflicts"] == "1"
        return query
    }
}
