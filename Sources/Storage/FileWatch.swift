import NIOConcurrencyHelpers

/// Hears every change of a file that `Files` and `OpenFile` have carried out, in order: how the tests prove that bytes
/// are synced before they are renamed, and the folder after (law 1). Nobody listens outside of them.
enum FileWatch {
    enum Change: Hashable, Sendable {
        case wrote(String)
        case synced(String)
        case renamed(from: String, to: String)
        case made(String)
        case syncedFolder(String)
        case removed(String)
    }

    private static let listeners = NIOLockedValueBox<[UInt64: @Sendable (Change) -> Void]>([:])
    private static let next = NIOLockedValueBox<UInt64>(0)

    /// Called on the thread that made the change, before its caller goes on.
    static func listen(_ body: @escaping @Sendable (Change) -> Void) -> UInt64 {
        let id = next.withLockedValue { next in
            next += 1
            return next
        }
        listeners.withLockedValue { $0[id] = body }
        return id
    }

    static func end(_ id: UInt64) { listeners.withLockedValue { $0[id] = nil } }

    static func note(_ change: Change) {
        for listener in listeners.withLockedValue({ $0 }).values { listener(change) }
    }
}
