import HTTPTypes
import Hummingbird
import Node
import Resources
import Vocabulary

/// The nodes that a request has been at, in order: they travel along so that it never goes in a circle (DESIGN §7);
/// and those of them that could not vouch for what they hold, so that no other takes their silence for "there is none".
enum Visited {
    static let header = name("Roost-Visited")
    static let unsureHeader = name("Roost-Unsure")

    static let vouchedHeader = name("Roost-Vouched")

    private static func name(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is a token") }
        return name
    }

    /// Only another node's word counts: a client can not keep a request away from a node.
    static func nodes(of request: Request, _ context: APIContext) throws(APIError) -> [NodeName] {
        try nodes(in: header, of: request, context)
    }

    static func unsure(of request: Request, _ context: APIContext) throws(APIError) -> [NodeName] {
        try nodes(in: unsureHeader, of: request, context)
    }

    /// The newest version of the name, as an owner says that can not take it itself.
    static func vouched(of request: Request, _ context: APIContext) throws(APIError) -> Dot? {
        guard context.caller.node != nil, let text = request.headers[vouchedHeader] else { return nil }
        guard let dot = Dot(text) else { throw .badRequest("\(vouchedHeader) names no version") }
        return dot
    }

    private static func nodes(
        in header: HTTPField.Name, of request: Request, _ context: APIContext
    ) throws(APIError) -> [NodeName] {
        guard context.caller.node != nil, let text = request.headers[header] else { return [] }
        let parts = text.split(separator: ",")
        guard parts.count <= NodeMachine.hopsMax else { throw .badRequest("the request has been at too many nodes") }
        var nodes: [NodeName] = []
        for part in parts {
            guard let node = try? NodeName(String(part)) else { throw .badRequest("\(header) names no node") }
            nodes.append(node)
        }
        return nodes
    }

    static func text(_ nodes: [NodeName]) -> String { nodes.map(\.text).joined(separator: ",") }
}
