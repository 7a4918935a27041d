import Relocation
import Testing
import Vocabulary

@Suite struct SlotSetTests {
    private func slots(_ numbers: [Int]) -> [Slot] { numbers.compactMap { Slot(number: $0) } }

    @Test("it holds, gives back in order, and counts what was put in")
    func holds() {
        var set = SlotSet(slots([16_383, 0, 64, 63, 64]))
        #expect(Array(set) == slots([0, 63, 64, 16_383]))
        #expect(set.count == 4)
        let taken = set.takeFirst(3)
        #expect(Array(taken) == slots([0, 63, 64]))
        #expect(Array(set) == slots([16_383]))
        set.remove(slots([16_383])[0])
        #expect(set.isEmpty && Array(set).isEmpty)
        #expect(SlotSet.all.count == Slot.count)
    }

    @Test("union and difference agree with those of ordinary sets")
    func algebra() {
        var rng = SeededGenerator(seed: 7)
        for _ in 0..<50 {
            let a = Set((0..<300).map { _ in Int.random(in: 0..<Slot.count, using: &rng) })
            let b = Set((0..<300).map { _ in Int.random(in: 0..<Slot.count, using: &rng) })
            var union = SlotSet(slots(Array(a)))
            union.formUnion(SlotSet(slots(Array(b))))
            #expect(union == SlotSet(slots(Array(a.union(b)))))
            var difference = SlotSet(slots(Array(a)))
            difference.subtract(SlotSet(slots(Array(b))))
            #expect(Array(difference) == slots(a.subtracting(b).sorted()))
        }
    }
}
