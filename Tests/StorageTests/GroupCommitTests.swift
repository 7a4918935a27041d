import GRDB
import NIOConcurrencyHelpers
import Resources
import Testing

@testable import Storage

@Suite("Writes that share a commit", .timeLimit(.minutes(1)))
struct GroupCommitTests {
    private struct Refused: Error {}

    /// Counts the commits of a connection.
    private final class Commits: TransactionObserver {
        var count = 0
        func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { true }
        func databaseDidChange(with event: DatabaseEvent) {}
        func databaseDidCommit(_ db: Database) { count += 1 }
        func databaseDidRollback(_ db: Database) {}
    }

    /// Has writes that insert these numbers wait together; a negative one is refused after it has inserted.
    ///
    /// - Returns: how each ended, in the order of their ends; what is in the table; the commits.
    private func outcome(of numbers: [Int]) throws -> (ended: [(Int, Bool)], kept: [Int], commits: Int) {
        let queue = try DatabaseQueue()
        try queue.write { db in try db.execute(sql: "CREATE TABLE t (n INTEGER)") }
        let commits = GroupCommit()
        let ended = NIOLockedValueBox<[(Int, Bool)]>([])
        let askedFor = numbers.map { number in
            commits.add(
                GroupCommit.Write(
                    run: { db in
                        try db.execute(sql: "INSERT INTO t VALUES (?)", arguments: [number])
                        if number < 0 { throw Refused() }
                    }, ended: { failure in ended.withLockedValue { $0.append((number, failure == nil)) } }))
        }
        #expect(askedFor.filter { $0 }.count == 1 && askedFor.first == true, "the writer is asked for once")
        return try queue.writeWithoutTransaction { db in
            let counter = Commits()
            db.add(transactionObserver: counter)
            commits.carryOut(in: db)
            let kept = try Int.fetchAll(db, sql: "SELECT n FROM t ORDER BY rowid")
            return (ended.withLockedValue { $0 }, kept, counter.count)
        }
    }

    @Test("what waits together is committed together, and each hears of it in its order")
    func together() throws {
        let numbers = Array(1...GroupCommit.writesMax)
        let (ended, kept, commits) = try outcome(of: numbers)
        #expect(ended.map(\.0) == numbers && ended.allSatisfy { $0.1 })
        #expect(kept == numbers)
        #expect(commits == 1)
        #expect(try outcome(of: Array(1...GroupCommit.writesMax + 1)).commits == 2)
    }

    @Test(
        "one that fails takes nobody with it, and leaves nothing",
        arguments: [[1, 2, -3, 4], [-1, 2], [-1], [1, -2, -3]])
    func alone(numbers: [Int]) throws {
        let (ended, kept, commits) = try outcome(of: numbers)
        #expect(ended.map(\.0) == numbers)
        #expect(ended.allSatisfy { $0.1 == ($0.0 > 0) })
        #expect(kept == numbers.filter { $0 > 0 })
        #expect(commits == kept.count)
    }

    @Test("of many conditional writes on one version that come at once one is taken; plain ones beside them all are")
    func conditions() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let first = try await store.put("counter", text("0")).version.dot
            let taken = try await withThrowingTaskGroup(of: Int.self) { tasks in
                for number in 1...40 {
                    tasks.addTask {
                        do {
                            try await store.put("counter", text("\(number)"), precondition: .version(first))
                            return 1
                        } catch StorageError.refused(.preconditionFailed) { return 0 }
                    }
                    tasks.addTask {
                        try await store.put("plain/\(number)", text("\(number)"))
                        return 0
                    }
                }
                return try await tasks.reduce(0, +)
            }
            #expect(taken == 1)
            for number in 1...40 { #expect(try await store.bytes(of: "plain/\(number)") == text("\(number)")) }
            try await store.expectGroupsAreRight()
        }
    }
}
