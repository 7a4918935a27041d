import Authority
import Client
import Foundation
import Hummingbird
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TLS
import Vocabulary

@testable import Agent

/// A CA of one test, and the certificates that it issued.
final class TestBed: Sendable {
    let folder: TemporaryFolder
    private let authority: CertificateAuthority
    static let group = MultiThreadedEventLoopGroup.singleton

    init(cluster: String = "savanna") throws {
        folder = try TemporaryFolder()
        authority = try CertificateAuthority.create(folder: folder.path + "/ca", cluster: ClusterName(cluster))
    }

    func identity(_ role: Role, _ name: String) throws -> TLSContext {
        let place = "\(folder.path)/\(role.rawValue)-\(name)"
        _ = try authority.issue(role: role, name: NodeName(name), into: place)
        return try TLSContext(credentials: Credentials(folder: place))
    }

    /// Another certificate of the same name, with another key, in the place of the present one.
    func renew(_ role: Role, _ name: String) throws {
        let place = "\(folder.path)/\(role.rawValue)-\(name)"
        let fresh = "\(place).\(UUID().uuidString)"
        _ = try authority.issue(role: role, name: NodeName(name), into: fresh)
        for file in ["cert.pem", "key.pem"] {
            try FileManager.default.removeItem(atPath: "\(place)/\(file)")
            try FileManager.default.moveItem(atPath: "\(fresh)/\(file)", toPath: "\(place)/\(file)")
        }
    }

    static func loopback(_ port: UInt16 = 0) throws -> Endpoint { try Endpoint(host: "127.0.0.1", port: port) }

    private static let places = NIOLockedValueBox(Int.random(in: 0..<9_000))

    /// A place for an agent that may come back to it: nobody else in this process is given it, and it is below the range
    /// that kernels take ports from by themselves (32768 and up), and below `FreePort`'s.
    static func place() throws -> Endpoint {
        let number = places.withLockedValue { number in
            number = (number + 1) % 9_000
            return number
        }
        return try loopback(UInt16(11_000 + number))
    }
}

/// A server that runs until the value goes.
final class RunningServer: Sendable {
    let server: APIServer
    private let task: Task<Void, any Error>

    init(_ server: APIServer) {
        self.server = server
        task = Task { try await server.run() }
    }

    deinit { server.stop() }

    func ended() async throws { try await task.value }

    var endpoint: Endpoint {
        get throws { try TestBed.loopback(server.tlsPort ?? 0) }
    }
}

func quietLogger() -> Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

/// Polls until the condition holds; false after the deadline.
func eventually(_ seconds: Int = 10, _ condition: () async throws -> Bool) async rethrows -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return false
}

/// The routes that the tests of the server call.
func testRouter(isRevoked: @escaping @Sendable (Caller) -> Bool = { _ in false }) -> Router<APIContext> {
    let router = APIRouter.make(isRevoked: isRevoked)
    router.get("/v1/resources/**") { request, _ in
        Response.text(try request.name(after: "/v1/resources/"))
    }
    router.put("/v1/resources/**") { request, context in
        var count = 0
        for try await part in try request.boundedBody(upTo: 1 << 20, context: context) { count += part.readableBytes }
        return Response.json(["bytes": count], status: .created)
    }
    router.delete("/v1/resources/**") { _, _ in Response.json(["deleted": true]) }
    router.get("/v1/members") { _, _ in Response.json([String]()) }
    router.get("/v1/keys") { _, _ in Response.json([String]()) }
    router.post("/v1/leave") { _, _ in Response.json(["left": true]) }
    router.get("/v1/peer/groups") { _, _ in Response.json([String]()) }
    router.get("/metrics") { _, _ in Response.text("roost_up 1\n") }
    router.get("/v1/fails") { _, _ -> Response in throw CancelledByTest() }
    router.get("/v1/unchanged") { _, _ in Response(status: .notModified) }
    router.get("/v1/never") { _, _ in
        try await Task.sleep(for: .seconds(3600))
        return Response.json([String]())
    }
    router.get("/v1/large") { _, _ in
        Response.stream(count: 64 << 20, Zeros(buffers: 1024))
    }
    router.get("/v1/short") { _, _ in Response.stream(count: 100_000, Zeros(buffers: 1)) }
    return router
}

struct CancelledByTest: Error {}

/// Buffers of 64 KiB.
struct Zeros: AsyncSequence, Sendable {
    let buffers: Int

    struct AsyncIterator: AsyncIteratorProtocol {
        var left: Int
        mutating func next() async throws -> ByteBuffer? {
            guard left > 0 else { return nil }
            left -= 1
            return ByteBuffer(repeating: 0, count: 64 << 10)
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(left: buffers) }
}

extension ClientConnection {
    /// Status and body of a small answer.
    func ask(
        _ method: String, _ path: String, headers: HeaderFields = [:], body: ClientRequest.Body = .none
    ) async throws -> (status: Int, headers: HeaderFields, text: String) {
        let response = try await send(ClientRequest(method, path, headers: headers, body: body))
        let body = try await response.body.collect(upTo: 1 << 20)
        return (response.status, response.headers, String(buffer: body))
    }
}
