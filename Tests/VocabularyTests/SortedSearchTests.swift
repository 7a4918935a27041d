import Testing
import Vocabulary

@Suite struct SortedSearchTests {
    @Test("the place is that of the first element that does not go before, also in a part of a collection")
    func places() {
        for count in 0...40 {
            let numbers = (0..<count).map { $0 / 3 * 2 }
            for wanted in -1...30 {
                let place = numbers.partitioningIndex(behind: { $0 < wanted })
                #expect(place == numbers.firstIndex { $0 >= wanted } ?? count)
                let part = numbers.dropFirst(2)
                let partPlace = part.partitioningIndex(behind: { $0 < wanted })
                #expect(partPlace == part.firstIndex { $0 >= wanted } ?? part.endIndex)
            }
        }
    }
}
