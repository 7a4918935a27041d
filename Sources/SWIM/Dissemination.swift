import HeapModule

/// The news that this node still has to tell: which members' claims, and how often each was told.
///
/// The least told goes first, and among equals the newest (SWIM §4.1: the young infection spreads fastest). Each is told
/// a bounded number of times. What is told is the table's present claim, so an outdated one is never sent; a change
/// while it waits starts the count again.
struct Dissemination: Sendable {
    private struct News: Comparable, Sendable {
        var told: Int32
        let place: MemberTable.Place
        /// Rises with each piece of news; also tells the news in force from those it replaced.
        let stamp: UInt64

        static func < (a: News, b: News) -> Bool { a.told != b.told ? a.told < b.told : a.stamp > b.stamp }
    }

    private var heap = Heap<News>()
    /// By place: the stamp in force, 0 when there is no news of that member.
    private var stamps: [UInt64] = []
    private var lastStamp: UInt64 = 0
    /// Members with news.
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    func contains(_ place: MemberTable.Place) -> Bool { Int(place) < stamps.count && stamps[Int(place)] != 0 }

    mutating func add(_ place: MemberTable.Place) {
        let index = Int(place)
        while stamps.count <= index { stamps.append(0) }
        if stamps[index] == 0 { count += 1 }
        lastStamp &+= 1
        stamps[index] = lastStamp
        heap.insert(News(told: 0, place: place, stamp: lastStamp))
        compactIfNeeded()
    }

    mutating func remove(_ place: MemberTable.Place) {
        guard Int(place) < stamps.count, stamps[Int(place)] != 0 else { return }
        stamps[Int(place)] = 0
        count -= 1
    }

    /// Fills what is left of a packet, and counts each claim as told.
    ///
    /// - Parameters:
    ///   - limit: how often a claim may be told at most; beyond it is dropped.
    ///   - room: bytes left in the packet.
    ///   - first, second: members whose claim is in the packet already, or whom the packet goes to.
    mutating func fill(
        _ claims: inout [Claim], room: Int, limit: Int, from table: MemberTable, excluding first: MemberTable.Place?,
        _ second: MemberTable.Place?
    ) {
        var room = room
        var kept: [News] = []
        var misfits = 0
        while room >= Claim.wireSizeMin, claims.count < Packet.claimsMax, let next = heap.popMin() {
            var news = next
            guard stamps[Int(news.place)] == news.stamp else { continue }
            guard Int(news.told) < limit else {
                remove(news.place)
                continue
            }
            if news.place != first, news.place != second {
                let claim = table[news.place].claim
                let size = claim.wireSize
                guard size <= room else {
                    // A long claim waits for an emptier packet; a few smaller ones may still fit.
                    kept.append(news)
                    misfits += 1
                    if misfits == 4 { break }
                    continue
                }
                claims.append(claim)
                room -= size
            }
            news.told += 1
            if Int(news.told) < limit { kept.append(news) } else { remove(news.place) }
        }
        for news in kept { heap.insert(news) }
    }

    /// News that was replaced stays in the heap until it is popped; this bounds how much of it there is.
    private mutating func compactIfNeeded() {
        guard heap.count > 2 * count + 64 else { return }
        heap = Heap(heap.unordered.filter { stamps[Int($0.place)] == $0.stamp })
    }
}
