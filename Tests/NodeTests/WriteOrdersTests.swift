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
            orders.begin(first, by: simba, until: time(9)), orders.begin(first, by: simba, until: time(7)),
            orders.begin(second, by: mkango, until: time(8)),
        ]
        #expect(answers == [true, true, false], "nobody begins another's order")
        let ends = [orders.end(first), orders.end(second)]
        #expect(ends == [.begun(until: time(9)), .given])
        let late = [
            orders.begin(first, by: simba, until: time(9)), orders.begin(second, by: simba, until: nil),
        ]
        #expect(late == [false, false])
        let end = orders.end(first)
        #expect(end == .given)
    }

    @Test("an order that was once begun without a limit has none any more")
    func limits() {
        var orders = WriteOrders(epoch: 5)
        let both = [time(9), nil]
        for limits in [both, both.reversed()] {
            let order = orders.give(to: simba)
            let answers = limits.map { orders.begin(order, by: simba, until: $0) }
            let end = orders.end(order)
            #expect(answers == [true, true] && end == .begunForGood)
        }
    }

    @Test("only a plain put that was begun with a limit may be made again, and then later than by all that began it")
    func again() throws {
        let digest = try #require(ContentDigest(bytes: [UInt8](repeating: 7, count: 32)))
        let put = WriteRequest(
            name: try ResourceName("a"), content: .blob(digest: digest, size: 1, mediaType: "text/plain"), home: nil,
            precondition: .none)
        let first = try #require(put.again(after: .begun(until: time(9))))
        #expect(first.after == time(9))
        #expect(first.again(after: .begun(until: time(5)))?.after == time(9))
        #expect(first.again(after: .begun(until: time(12)))?.after == time(12))
        #expect(put.again(after: .begunForGood) == nil)
        var (delete, conditional) = (put, put)
        delete.content = .tombstone
        conditional.precondition = .absent
        for request in [delete, conditional] { #expect(request.again(after: .begun(until: time(9))) == nil) }
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
        let answers = [now.begin(old, by: simba, until: nil), now.begin(new, by: simba, until: nil)]
        #expect(old != new && answers == [false, true])
    }
}
