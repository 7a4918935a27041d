extension RandomAccessCollection {
    /// Where the elements that go before something end, in a sorted collection; in logarithmic time.
    ///
    /// - Parameter goesBefore: true for some elements at the beginning, false for all after them.
    public func partitioningIndex(behind goesBefore: (Element) -> Bool) -> Index {
        var low = startIndex
        var count = count
        while count > 0 {
            let half = count / 2
            let middle = index(low, offsetBy: half)
            if goesBefore(self[middle]) {
                low = index(after: middle)
                count -= half + 1
            } else {
                count = half
            }
        }
        return low
    }
}
