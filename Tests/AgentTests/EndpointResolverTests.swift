import NIOConcurrencyHelpers
import NIOCore
import Testing
import Vocabulary

@testable import Agent

@Suite("Addresses of names", .timeLimit(.minutes(1)))
struct EndpointResolverTests {
    @Test("the last address of a name serves while its name server is away, and a new one replaces it")
    func staleAddress() async throws {
        let answer = NIOLockedValueBox<SocketAddress?>(try SocketAddress(ipAddress: "10.0.0.1", port: 7667))
        let asked = NIOLockedValueBox(0)
        let resolver = EndpointResolver(family: .inet, lifetime: .nanoseconds(0)) { _ in
            asked.withLockedValue { $0 += 1 }
            return answer.withLockedValue { $0 }
        }
        let name = try Endpoint(host: "simba.example", port: 7667)
        #expect(resolver.cached(name) == nil)
        let first = await withCheckedContinuation { done in resolver.resolve(name) { done.resume(returning: $0) } }
        #expect(first?.ipAddress == "10.0.0.1")
        // It moves: the old address is given at once, the new one soon.
        answer.withLockedValue { $0 = try? SocketAddress(ipAddress: "10.0.0.2", port: 7667) }
        #expect(resolver.cached(name)?.ipAddress == "10.0.0.1")
        #expect(await eventually { resolver.cached(name)?.ipAddress == "10.0.0.2" })
        // The name server goes: the last address stays.
        answer.withLockedValue { $0 = nil }
        let before = asked.withLockedValue { $0 }
        #expect(await eventually { resolver.cached(name) != nil && asked.withLockedValue { $0 } > before })
        for _ in 0..<100 { #expect(resolver.cached(name)?.ipAddress == "10.0.0.2") }
    }
}
