import Node
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
            orders.begin(first, by: simba), orders.begin(first, by: simba), orders.begin(second, by: mkango),
        ]
        #expect(answers == [true, true, false], "nobody begins another's order")
        let ends = [orders.end(first), orders.end(second)]
        #expect(ends == [true, false])
        let late = [orders.begin(first, by: simba), orders.begin(second, by: simba), orders.end(first)]
        #expect(late == [false, false, false])
    }

    @Test("an order of an earlier life is none of this one's")
    func lives() {
        var before = WriteOrders(epoch: 5)
        let old = before.give(to: simba)
        var now = WriteOrders(epoch: 6)
        let new = now.give(to: simba)
        let answers = [now.begin(old, by: simba), now.begin(new, by: simba)]
        #expect(old != new && answers == [false, true])
    }
}
