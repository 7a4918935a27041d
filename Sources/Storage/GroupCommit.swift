import GRDB
import NIOConcurrencyHelpers

/// Writes that wait for the catalogue's one writer at the same time share a transaction, and so a sync of the log: what a
/// disk takes for one commit, it takes for all of them.
///
/// Each still commits as if alone: when one of them fails, or the commit does, all are rolled back and each is carried out
/// in a transaction of its own. As many wait as requests and moves are under way, and those have bounds of their own.
final class GroupCommit: Sendable {
    /// One of them. `run` may be called twice, and changes nothing outside the transaction that a second call would not.
    struct Write: Sendable {
        let run: @Sendable (Database) throws -> Void
        /// Called once, on the writer: nil when it is durable.
        let ended: @Sendable ((any Error)?) -> Void
    }

    /// At half, a slow disk commits a hundred writers in twice as many syncs; at double, the first of them waits longer for
    /// the rest.
    static let writesMax = 64

    private let waiting = NIOLockedValueBox<[Write]>([])

    /// - Returns: whether the writer has to be asked for: nobody did for those before.
    func add(_ write: Write) -> Bool {
        waiting.withLockedValue { waiting in
            waiting.append(write)
            return waiting.count == 1
        }
    }

    /// Carries out all that wait. On the writer, outside a transaction.
    func carryOut(in db: Database) {
        // What comes from now on asks for the writer anew, and finds it after this.
        var rest = waiting.withLockedValue { waiting in
            defer { waiting = [] }
            return waiting[...]
        }
        while !rest.isEmpty {
            let group = rest.prefix(Self.writesMax)
            rest = rest.dropFirst(group.count)
            if group.count > 1, Self.commit(group, in: db) == nil {
                for write in group { write.ended(nil) }
            } else {
                for write in group { write.ended(Self.commit([write], in: db)) }
            }
        }
    }

    /// - Returns: why nothing of it was committed; nil when all of it was.
    private static func commit(_ group: ArraySlice<Write>, in db: Database) -> (any Error)? {
        do {
            try db.inTransaction(.immediate) {
                for write in group { try write.run(db) }
                return .commit
            }
            return nil
        } catch { return error }
    }
}
