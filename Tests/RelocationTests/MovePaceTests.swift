import Relocation
import Testing
import Vocabulary

/// Law 7: moves leave queries their latency, and never stand still.
@Suite struct MovePaceTests {
    /// A node under steady queries, 100 a second, each of which takes `calm`, or `loaded` when it meets a move.
    private struct Node {
        var pace = MovePace()
        var now = Instant(nanoseconds: 1_000_000_000)
        /// Time that moves had.
        var moved = Duration.zero

        /// - Parameter pieces: moves that are always waiting, at most so many at once; each keeps the node busy for `piece`.
        mutating func run(
            _ length: Duration, calm: Duration = .milliseconds(2), loaded: Duration, piece: Duration = .milliseconds(5),
            pieces: Int = 4, queriesEvery pause: Duration? = .milliseconds(10)
        ) {
            let end = now + length
            var nextQuery = now
            var underWay: [(end: Instant, MovePace.Query)] = []
            var moving: [Instant] = []
            var nextTry = now
            while now < end {
                for due in moving where due <= now { pace.ended(busy: piece, at: due) }
                moving.removeAll { $0 <= now }
                for (due, query) in underWay where due <= now { pace.answered(query, at: due) }
                underWay.removeAll { $0.end <= now }
                if let pause, nextQuery <= now {
                    let latency = moving.isEmpty ? calm : loaded
                    underWay.append((now + latency, pace.asked(at: now)))
                    nextQuery = now + pause
                }
                if moving.count < pieces, nextTry <= now {
                    switch pace.begin(at: now) {
                    case .go:
                        moving.append(now + piece)
                        moved += piece
                    case .wait(let wait): nextTry = now + min(wait, .milliseconds(10))
                    }
                }
                now = now + .microseconds(500)
            }
            for _ in moving { pace.ended(busy: piece, at: now) }
        }
    }

    @Test("without queries moves take all the time")
    func alone() {
        var node = Node()
        node.run(.seconds(2), loaded: .zero, queriesEvery: nil)
        #expect(node.moved > .seconds(7.8), "four streams for two seconds: \(node.moved)")
    }

    @Test("moves that no query feels are not held back, but for the beginning")
    func harmless() {
        var node = Node()
        node.run(.seconds(2), loaded: .milliseconds(2), pieces: 0)
        node.run(.seconds(10), loaded: .milliseconds(2))
        node.moved = .zero
        node.run(.seconds(10), loaded: .milliseconds(2))
        #expect(node.moved > .seconds(36), "of 40: \(node.moved)")
    }

    @Test("moves that make queries three times as slow are cut to the floor, and go on there")
    func harmful() {
        var node = Node()
        node.run(.seconds(2), loaded: .milliseconds(6), pieces: 0)
        node.run(.seconds(20), loaded: .milliseconds(6))
        node.moved = .zero
        node.run(.seconds(10), loaded: .milliseconds(6))
        let share = node.moved / .seconds(10)
        // Never less than the floor; more only as far as it tries.
        #expect(share >= 0.019 && share < 0.1, "\(share)")
    }

    @Test("queries that are slow between the moves of this node, by those of others, hold it back as well")
    func othersMoves() {
        var node = Node()
        node.run(.seconds(3), loaded: .milliseconds(2), pieces: 0)
        node.run(.seconds(20), calm: .milliseconds(6), loaded: .milliseconds(6))
        #expect(node.pace.isHeldBack(at: node.now) && node.pace.share < 1)
        // At rest again, what is usual may be more than it was.
        node.run(.seconds(300), calm: .milliseconds(6), loaded: .milliseconds(6), pieces: 0)
        node.run(.seconds(20), calm: .milliseconds(6), loaded: .milliseconds(6))
        #expect(!node.pace.isHeldBack(at: node.now))
    }

    @Test("the floor holds however slow the queries are")
    func floor() {
        var node = Node()
        node.run(.seconds(2), loaded: .seconds(1), pieces: 0)
        for _ in 0..<5 {
            node.moved = .zero
            node.run(.seconds(5), loaded: .seconds(1))
            #expect(node.moved >= .seconds(0.08), "\(node.moved)")
        }
    }

    @Test("moves begin with little after a rest, and what nobody feels grows to all there is")
    func beginning() {
        var node = Node()
        node.run(.seconds(3), loaded: .milliseconds(2), pieces: 0)
        #expect(node.pace.share == 4)
        #expect(node.pace.begin(at: node.now) == .go)
        #expect(node.pace.share == 0.1)
        node.pace.ended(busy: .milliseconds(1), at: node.now)
        node.run(.seconds(12), loaded: .milliseconds(2))
        #expect(node.pace.share == 4)
    }

    @Test("one slow query in a hundred is put up with, more are not", arguments: [(110, true), (50, false)])
    func noise(slowOneOf: Int, isPutUpWith: Bool) {
        var node = Node()
        node.run(.seconds(3), loaded: .milliseconds(2), pieces: 0)
        node.run(.seconds(12), loaded: .milliseconds(2))
        var pace = node.pace
        var now = node.now
        for number in 0..<4_000 {
            let isGiven = pace.begin(at: now) == .go
            let query = pace.asked(at: now)
            now = now + (number % slowOneOf == 0 ? .milliseconds(50) : .milliseconds(2))
            pace.answered(query, at: now)
            if isGiven { pace.ended(busy: .microseconds(20), at: now) }
        }
        #expect((pace.share > 1) == isPutUpWith, "\(pace.share)")
    }

    @Test("a node that does not know what is usual begins at the floor, and finds out there")
    func unknown() {
        var node = Node()
        node.run(.milliseconds(300), loaded: .milliseconds(2))
        #expect(node.moved < .milliseconds(50), "\(node.moved)")
        node.run(.seconds(20), loaded: .milliseconds(2))
        #expect(node.pace.share > 3, "nobody felt it")
    }

    @Test("what the other end allows is no word on what is usual here")
    func unknownBesideTold() {
        var node = Node()
        node.pace.told(2, at: node.now)
        node.run(.milliseconds(300), loaded: .milliseconds(2))
        #expect(node.moved < .milliseconds(50), "\(node.moved)")
    }

    @Test("when queries end, moves have all the time again at once")
    func end() {
        var node = Node()
        node.run(.seconds(2), loaded: .milliseconds(6), pieces: 0)
        node.run(.seconds(10), loaded: .milliseconds(6))
        #expect(node.pace.isHeldBack(at: node.now))
        node.run(.seconds(3.5), loaded: .zero, queriesEvery: nil)
        node.moved = .zero
        node.run(.seconds(1), loaded: .zero, queriesEvery: nil)
        #expect(node.moved > .seconds(3.8))
    }

    @Test("who fetches from a node that is held back is held back as well, asked or not, and never below the floor")
    func otherEnd() {
        var node = Node()
        node.run(.seconds(1), loaded: .zero, queriesEvery: nil)
        #expect(node.pace.shareToTell(at: node.now) == nil && !node.pace.isHeldBack(at: node.now))
        func told(_ shares: Double...) -> (Double, moved: Duration) {
            var fetching = node
            fetching.moved = .zero
            for share in shares { fetching.pace.told(share, at: fetching.now) }
            let allowed = fetching.pace.allowed(at: fetching.now)
            fetching.run(.seconds(2), loaded: .zero, queriesEvery: nil)
            return (allowed, fetching.moved)
        }
        #expect(told(0.5).0 == 0.5 && told(0.5, 0.2, 1).0 == 0.2 && told(0.000_1).0 == 0.02 && told(9).0 == 4)
        // Of two seconds; what is under way at the beginning is not waited for.
        let (half, least) = (told(0.5).moved, told(0.000_1).moved)
        #expect(half > .seconds(0.9) && half < .seconds(1.1), "\(half)")
        #expect(least > .seconds(0.03) && least < .seconds(0.07), "\(least)")
        node.pace.told(0.1, at: node.now)
        #expect(node.pace.isHeldBack(at: node.now) && node.pace.shareToTell(at: node.now) == nil, "not to be handed on")
        node.run(.seconds(3), loaded: .zero, queriesEvery: nil)
        #expect(!node.pace.isHeldBack(at: node.now), "it is heard no more")
    }

    @Test("of many heavy pieces none waits so long that whoever fetches it gives up")
    func patience() {
        // Nothing is known of what is usual, so it stays at the floor: of pieces that take 200 ms, one in two seconds.
        var pace = MovePace()
        let start = Instant(nanoseconds: 1)
        var now = start
        var waiting = 10
        var longest = Duration.zero
        for _ in 0..<4_000 where waiting > 0 {
            now = now + .milliseconds(10)
            _ = pace.asked(at: now)
            // Ten that came at once.
            guard pace.begin(at: now, since: start) == .go else { continue }
            waiting -= 1
            longest = max(longest, now - start)
            pace.ended(busy: .milliseconds(200), at: now)
        }
        #expect(waiting == 0 && pace.share < 0.1)
        #expect(longest >= .seconds(6) && longest < .seconds(7), "\(longest)")
    }

    @Test("a piece that took a minute is not paid off for longer than two seconds")
    func longPiece() {
        var pace = MovePace()
        var now = Instant(nanoseconds: 1)
        for _ in 0..<30 { pace.answered(pace.asked(at: now), at: now + .milliseconds(1)) }
        #expect(pace.begin(at: now) == .go)
        now = now + .seconds(60)
        pace.ended(busy: .seconds(60), at: now)
        let later = now + .seconds(2)
        _ = pace.asked(at: later)
        // No query was calm for long: there may be a lull first.
        #expect(pace.begin(at: later) == .go || pace.begin(at: later + .milliseconds(100)) == .go)
    }
}
