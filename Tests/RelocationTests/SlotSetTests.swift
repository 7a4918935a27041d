import Foundation
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

    @Test("a set of few runs travels as numbers, one of many as digits, and each comes back as it was")
    func wire() throws {
        var rng = SeededGenerator(seed: 11)
        for density in [0.0, 0.001, 0.02, 0.1, 0.5, 0.9, 1] {
            let set = SlotSet(Slot.all.filter { _ in Double.random(in: 0..<1, using: &rng) < density })
            let text = try JSONEncoder().encode(set)
            #expect(text.count <= 5_000)
            #expect(try JSONDecoder().decode(SlotSet.self, from: text) == set)
        }
        #expect(String(decoding: try JSONEncoder().encode(SlotSet.all), as: UTF8.self) == "[0,16383]")
        let odd = SlotSet(Slot.all.filter { $0.number % 2 == 1 })
        #expect(
            String(decoding: try JSONEncoder().encode(odd), as: UTF8.self) == "\""
                + String(repeating: "a", count: 4_096) + "\"")
    }

    @Test(
        "what is no set of slots is refused",
        arguments: [
            "\"\"", "\"ab\"", "\"" + String(repeating: "A", count: 4_096) + "\"", "[1]", "[2,1]", "[0,16384]", "7",
        ])
    func hostile(text: String) {
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(SlotSet.self, from: Data(text.utf8)) }
    }
}
