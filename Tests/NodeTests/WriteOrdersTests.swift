import Node
import Resources
import Testing
import Vocabulary

@Suite("Writes that were passed on")
struct WriteOrdersTests {
    private let (simba, mkango): (NodeName, NodeName)

    init() throws { (simba, mkango) = (try NodeName("simba"), try NodeName("mkango")) }

    @Test("whom an order was given may begin it until it is given up, and ask again whether it may")
    func begin() {
        var orders = WriteOrders(epoch: 5)
        let (first, second) = (orders.give(to: simba), orders.give(to: simba))
        #expect(first != second)
        let answers = [
            orders.begin(first, by: simba, as: attempt(after: 3, until: 9)),
            orders.begin(first, by: simba, as: attempt(after: 4, until: 7)),
            orders.begin(second, by: mkango, as: attempt(after: 3, until: 8)),
        ]
        #expect(answers == [true, true, false], "nobody begins another's order")
        let ends = [orders.end(first), orders.end(second)]
        #expect(ends == [.begun(attempt(after: 3, until: 9)), .given], "what either may have come to")
        let late = [
            orders.begin(first, by: simba, as: attempt(after: 3, until: 9)), orders.begin(second, by: simba, as: nil),
        ]
        #expect(late == [false, false])
        let end = orders.end(first)
        #expect(end == .given)
    }

    @Test("an order that was once begun by who can not say what it would become may have become anything")
    func limits() {
        var orders = WriteOrders(epoch: 5)
        let another = WriteAttempt(after: Dot(node: mkango, epoch: 1, counter: 3), until: time(9))
        for unknown in [nil, another] {
            let both = [attempt(after: 3, until: 9), unknown]
            for attempts in [both, both.reversed()] {
                let order = orders.give(to: simba)
                let answers = attempts.map { orders.begin(order, by: simba, as: $0) }
                let end = orders.end(order)
                #expect(answers == [true, true] && end == .begunForGood)
            }
        }
    }

    @Test("only a plain put whose taker said what it would become may be made again, and then later than all of those")
    func again() throws {
        let digest = try #require(ContentDigest(bytes: [UInt8](repeating: 7, count: 32)))
        let put = WriteRequest(
            name: try ResourceName("a"), content: .blob(digest: digest, size: 1, mediaType: "text/plain"), home: nil,
            precondition: .none)
        let begun = WriteOrders.Progress.begun(attempt(after: 3, until: 9))
        let first = try #require(put.again(after: begun))
        #expect(first.attempts == [attempt(after: 3, until: 9)] && first.after == time(9))
        #expect(first.again(after: .begun(attempt(after: 1, until: 5)))?.after == time(9))
        #expect(first.again(after: .begun(attempt(after: 1, until: 12)))?.after == time(12))
        #expect(put.again(after: .begunForGood) == nil)
        var (delete, conditional) = (put, put)
        delete.content = .tombstone
        conditional.precondition = .absent
        for request in [delete, conditional] { #expect(request.again(after: begun) == nil) }

        var (last, count) = (put, 0)
        while let next = last.again(after: begun) { (last, count) = (next, count + 1) }
        #expect(count == WriteRequest.attemptsMax)
    }

    private func attempt(after counter: UInt64, until milliseconds: UInt64) -> WriteAttempt {
        WriteAttempt(after: Dot(node: simba, epoch: 1, counter: counter), until: time(milliseconds))
    }

    private func time(_ milliseconds: UInt64) -> HybridTime {
        HybridTime(wallMilliseconds: milliseconds, counter: 0)
    }

    @Test("an order of an earlier life is none of this one's")
    func lives() {
        var before = WriteOrders(epoch: 5)
        let old = before.give(to: simba)
        var now = WriteOrders(epoch: 6)
        let new = now.give(to: simba)
        let answers = [now.begin(old, by: simba, as: nil), now.begin(new, by: simba, as: nil)]
        #expect(old != new && answers == [false, true])
    }
}
