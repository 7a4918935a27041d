import Client
import HTTPTypes
import Hummingbird
import Node
import Placement
import Relocation
import SWIM
import Vocabulary

/// `GET /v1/plan/CHANGE/NODE`: what a change of the membership would move.
struct PlanRoutes: Sendable {
    let box: CoreBox

    func add(to router: Router<APIContext>) {
        router.get("/v1/plan/{change}/{node}") { request, context in
            let core = try box.parts.core
            let change = try Self.change(
                context.parameters.get("change") ?? "", context.parameters.get("node") ?? "", try request.query(), core)
            return Response.json(try await PlanService(core: core).plan(change))
        }
    }

    private static func change(
        _ word: String, _ nodeText: String, _ query: [String: String], _ core: AgentCore
    ) throws(APIError) -> MovePlan.Change {
        let node: NodeName
        do { node = try NodeName(nodeText) } catch { throw .badRequest("\(error)") }
        let member = core.driver.read { $0.membership.member(node) }
        switch word {
        case "leave", "fail":
            guard member != nil else {
                throw .notFound(
                    "there is no member \(node)", code: "no_such_node", hint: "`roost members` lists them")
            }
            return word == "leave" ? .leave(node) : .fail(node)
        case "join":
            let isThere = core.driver.read { $0.convergence.view.ring.contains(node) }
            guard !isThere else {
                throw APIError(
                    .conflict, code: "already_member", "\(node) is a member already",
                    hint: "what it holds and would leave behind, `plan leave` tells")
            }
            var weight = member?.metadata.weight ?? AgentSettings().weight
            if let text = query["weight"] {
                let allowed = AgentSettings.weights
                guard let given = UInt32(text), allowed.contains(given) else {
                    throw .badRequest("weight must be \(allowed.lowerBound)-\(allowed.upperBound)")
                }
                weight = given
            }
            return .join(Candidate(name: node, weight: weight, zone: query["zone"] ?? member?.metadata.zone))
        default:
            throw .notFound("there is no plan for \"\(word)\"", code: "no_such_plan", hint: "leave, join or fail")
        }
    }
}
