import HTTPTypes
import Hummingbird
import Logging

/// The routes of the API: a Hummingbird router that refuses by role before any handler runs and answers every error,
/// its own 404 and 405 included, in the one JSON shape.
public enum APIRouter {
    /// Routes are added to what this returns; the middleware is already in.
    ///
    /// - Parameter isRevoked: whether a certificate's name has lost its rights in the whole cluster.
    public static func make(isRevoked: @escaping @Sendable (Caller) -> Bool = { _ in false }) -> Router<APIContext> {
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: JSONErrors())
        router.add(middleware: Authorization(isRevoked: isRevoked))
        return router
    }
}

/// Turns whatever a handler throws into an `APIError`; what is none of ours becomes a 500 whose cause only the log has.
struct JSONErrors: RouterMiddleware {
    typealias Context = APIContext

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as APIError {
            return error.response
        } catch let error as HTTPError where error.status == .notFound && context.endpointPath == "NotFound" {
            throw error  // the server tells 404 from 405: it knows all routes
        } catch let error as HTTPError {
            let code = error.status.reasonPhrase.lowercased().replacingSpaces
            return APIError(error.status, code: code, error.body ?? error.status.reasonPhrase).response
        } catch is CancellationError {
            throw CancellationError()
        } catch let error as BrokenUpload {
            // An everyday end, and nobody is left to read the answer.
            context.logger.debug(
                "a client broke off its upload",
                metadata: ["caller": "\(context.caller.shown)", "error": "\(error.cause)"])
            return APIError.badRequest("the body broke off", code: "truncated", hint: "send it again").response
        } catch {
            context.logger.error(
                "a request failed",
                metadata: [
                    "method": "\(request.method.rawValue)", "route": "\(context.endpointPath ?? "?")",
                    "caller": "\(context.caller.shown)", "error": "\(error)",
                ])
            return APIError.inside.response
        }
    }
}

/// Law 8: no handler runs for a caller whose role does not permit it.
struct Authorization: RouterMiddleware {
    typealias Context = APIContext

    let isRevoked: @Sendable (Caller) -> Bool

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        if isRevoked(context.caller) {
            throw APIError.forbidden(
                "\(context.caller.shown) was revoked in this cluster", code: "revoked",
                hint: "an admin can issue a certificate with another name")
        }
        if let route = context.endpointPath,
            let refusal = AccessRules.refusal(caller: context.caller, method: request.method, route: route)
        {
            throw refusal
        }
        return try await next(request, context)
    }
}

/// Which methods a path has, to tell "no such path" from "not with this method".
struct RouteTable: Sendable {
    private let routes: [(path: RouterPath, method: HTTPRequest.Method)]

    init(_ router: Router<APIContext>) {
        routes = router.routes.map { ($0.path, $0.method) }
    }

    func refusal(for request: Request) -> APIError {
        let path = request.uri.path
        let parts = path.split(separator: "/")
        let allowed = routes.filter { Self.matches($0.path, parts) }.map(\.method)
        guard !allowed.isEmpty else {
            return .notFound("there is nothing at this path", code: "no_such_path", hint: "see docs/PROTOCOL.md")
        }
        let sorted = Set(allowed.map(\.rawValue)).sorted().compactMap { HTTPRequest.Method($0) }
        return .methodNotAllowed(request.method, allowed: sorted)
    }

    private static func matches(_ pattern: RouterPath, _ parts: [Substring]) -> Bool {
        for (index, element) in pattern.enumerated() {
            if element == .recursiveWildcard { return parts.count > index }
            guard index < parts.count, element ~= parts[index] else { return false }
        }
        return parts.count == pattern.count
    }
}

extension String {
    fileprivate var replacingSpaces: String { String(map { $0 == " " ? "_" : $0 }) }
}
