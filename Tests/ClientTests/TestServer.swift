import Authority
import Client
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import TLS
import Testing
import Vocabulary

/// One after another: side by side on two slow cores they would keep each other from the little time that timeouts give.
@Suite("Against a real server", .serialized)
enum NetworkTests {}

/// A real HTTP/1.1 server for one test: over TLS with certificates made for the test, or over a unix socket. What it
/// answers is the test's own code, request by request.
struct TestServer {
    /// One request as the test's code sees it.
    struct Conversation {
        typealias Inbound = NIOAsyncChannelInboundStream<HTTPServerRequestPart>
        typealias Outbound = NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>

        let head: HTTPRequestHead
        let outbound: Outbound
        let channel: any Channel
        fileprivate var inbound: Inbound.AsyncIterator

        /// The next part of the request's body, `nil` at its end.
        mutating func nextPart() async throws -> ByteBuffer? {
            guard case .body(let part)? = try await inbound.next() else { return nil }
            return part
        }

        func proceed() async throws {
            try await outbound.write(.head(HTTPResponseHead(version: .http1_1, status: .continue)))
        }

        func begin(_ status: Int, _ headers: [(String, String)] = []) async throws {
            try await outbound.write(
                .head(
                    HTTPResponseHead(
                        version: .http1_1, status: .init(statusCode: status), headers: HTTPHeaders(headers))))
        }

        func write(_ bytes: some Sequence<UInt8>) async throws {
            try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: bytes))))
        }

        func end() async throws { try await outbound.write(.end(nil)) }

        func answer(_ status: Int, _ headers: [(String, String)] = [], body: String = "") async throws {
            try await begin(status, headers + [("Content-Length", "\(body.utf8.count)")])
            if !body.isEmpty { try await write(Array(body.utf8)) }
            try await end()
        }

        /// The connection breaks here, without a word.
        func breakOff() async throws { try await channel.close() }
    }

    typealias Answer = @Sendable (inout Conversation) async throws -> Void

    /// Runs `body` beside a server, and stops the server after it.
    @discardableResult static func run<T: Sendable>(
        tls: TLSContext? = nil, unix path: String? = nil, answer: @escaping Answer,
        _ body: @Sendable (AgentAddress) async throws -> T
    ) async throws -> T {
        let tasks = Tasks()
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(TLSHandler.server(context: tls)) }
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: false)
                    let connection = try NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>(
                        wrappingChannelSynchronously: channel)
                    // Served from its first moment: one that waits in a queue when the test ends would never be.
                    tasks.add(Task { await serve(connection, answer) })
                }
            }
        let server: any Channel
        let address: AgentAddress
        if let path {
            server = try await bootstrap.bind(unixDomainSocketPath: path).get()
            address = .unix(path: path)
        } else {
            server = try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
            address = .https(try Endpoint(host: "127.0.0.1", port: UInt16(server.localAddress?.port ?? 0)))
        }
        let result: Result<T, any Error>
        do { result = .success(try await body(address)) } catch { result = .failure(error) }
        try await server.close()
        await tasks.end()
        return try result.get()
    }

    /// The tasks of a server's connections.
    private final class Tasks: @unchecked Sendable {
        // Only touched under the lock.
        private var tasks: [Task<Void, Never>] = []
        private let lock = NSLock()

        func add(_ task: Task<Void, Never>) { lock.withLock { tasks.append(task) } }

        func end() async {
            for task in lock.withLock({ tasks }) {
                task.cancel()
                await task.value
            }
        }
    }

    private static func serve(
        _ connection: NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>, _ answer: Answer
    ) async {
        do {
            try await connection.executeThenClose { inbound, outbound in
                var iterator = inbound.makeAsyncIterator()
                while let part = try await iterator.next() {
                    guard case .head(let head) = part else { continue }
                    var conversation = Conversation(
                        head: head, outbound: outbound, channel: connection.channel, inbound: iterator)
                    try await answer(&conversation)
                    iterator = conversation.inbound
                }
            }
        } catch {
            // The client's end of a broken connection is what the tests look at.
        }
    }
}

/// A folder that is gone after the test, with a CA and certificates on demand.
final class Workshop: Sendable {
    let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "roost-client-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func path(_ name: String) -> String { folder + "/" + name }

    var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() } }

    func authority(_ cluster: String = "crane") throws -> CertificateAuthority {
        try .create(folder: path("ca-\(UUID().uuidString.prefix(4))"), cluster: ClusterName(cluster))
    }

    func context(_ authority: CertificateAuthority, _ role: Role, _ name: String) throws -> TLSContext {
        let folder = path("certs-\(UUID().uuidString.prefix(8))")
        _ = try authority.issue(role: role, name: NodeName(name), into: folder)
        return try TLSContext(credentials: Credentials(folder: folder))
    }
}

/// Bytes that differ from place to place, the same for the same seed: random blocks, each with its number. Cheap also
/// in a debug build, where random bytes one by one would keep the other tests' tasks waiting.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    var block: [UInt8] = []
    for _ in 0..<511 { withUnsafeBytes(of: generator.next()) { block.append(contentsOf: $0) } }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + block.count)
    while bytes.count < count {
        let number = bytes.count
        withUnsafeBytes(of: number) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: block)
    }
    return Array(bytes.prefix(count))
}

/// A counter that a server's code and a test share.
actor Tally {
    private(set) var count = 0
    private(set) var notes: [String] = []

    @discardableResult func add(_ amount: Int = 1) -> Int {
        count += amount
        return count
    }

    func note(_ text: String) { notes.append(text) }
}

/// Polls until the condition holds; `false` after the deadline.
func eventually(within limit: Duration = .seconds(10), _ condition: () async throws -> Bool) async rethrows -> Bool {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return false
}
