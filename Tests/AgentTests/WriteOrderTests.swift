import Client
import NIOConcurrencyHelpers
import NIOCore
import Node
import Resources
import Storage
import Testing
import Vocabulary

@testable import Agent

@Suite("Writes that are passed on", .timeLimit(.minutes(2)))
struct WriteOrderTests {
    let bed: TestBed

    init() throws { bed = try TestBed() }

    /// The one passes on what it holds, the other takes it.
    private struct Pair {
        let (giver, taker): (TestAgent, TestAgent)
        let lease: BlobLease

        init(_ bed: TestBed, bytes: Int) async throws {
            let giver = try await TestAgent.start(bed, "a")
            let taker = try await TestAgent.start(bed, "b", join: [giver.endpoint])
            #expect(await eventually(30) { giver.sees(taker) && taker.sees(giver) && taker.phase == .serving })
            let incoming = try await giver.core.store.receive()
            try await incoming.write(ByteBuffer(repeating: 7, count: bytes))
            lease = try await incoming.finish(expecting: nil)
            (self.giver, self.taker) = (giver, taker)
        }

        func pass(on name: String, as id: WriteOrders.ID) async throws -> WriteReceipt {
            let order = WriteOrder(
                name: try ResourceName(name),
                content: .blob(digest: lease.digest, size: lease.size, mediaType: "text/plain"), home: nil,
                condition: .none, visited: [giver.name], id: id)
            return try await giver.core.calls.write(order, to: taker.name, size: lease.size)
        }

        func isRefused(_ name: String, as id: WriteOrders.ID) async throws -> Bool {
            do {
                _ = try await pass(on: name, as: id)
                return false
            } catch PeerCallError.refused(_, _, status: 503, let body) {
                let held = try await taker.core.store.versions(of: ResourceName(name))
                return body.error.code == "no_owner" && held == nil
            }
        }

        func stop() async {
            await taker.stop()
            await giver.stop()
        }
    }

    @Test("are made while whoever passed them on waits for them, and not later", arguments: [100, 200_000])
    func standing(bytes: Int) async throws {
        let pair = try await Pair(bed, bytes: bytes)
        let orders = pair.giver.core.orders
        let id = orders.withLockedValue { $0.give(to: pair.taker.name) }
        let receipt = try await pair.pass(on: "wanted", as: id)
        #expect(receipt.route == [pair.giver.name, pair.taker.name])
        #expect(try await pair.taker.core.store.versions(of: ResourceName("wanted"))?.head == receipt.version)
        guard case .begun(let attempt) = orders.withLockedValue({ $0.end(id) }) else {
            Issue.record("it was made without being begun, or with no limit")
            return await pair.stop()
        }
        #expect(receipt.version.time <= attempt.until && receipt.version.dot > attempt.after)
        #expect(attempt.after.node == pair.taker.name)

        #expect(try await pair.isRefused("late", as: id), "given up meanwhile")
        let never = WriteOrders.ID(epoch: id.epoch, number: id.number + 1)
        #expect(try await pair.isRefused("strange", as: never), "never given")
        let others = orders.withLockedValue { $0.give(to: pair.giver.name) }
        #expect(try await pair.isRefused("astray", as: others), "given to another node")
        await pair.stop()
    }
}
