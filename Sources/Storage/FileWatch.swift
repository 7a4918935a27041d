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

    /// Those who hear of changes.
    final class Listeners: Sendable {
        private struct State {
            var bodies: [UInt64: @Sendable (Change) -> Void] = [:]
            var next: UInt64 = 0
        }

        private let state = NIOLockedValueBox(State())

        /// Called on the thread that made the change, before its caller goes on.
        func add(_ body: @escaping @Sendable (Change) -> Void) -> UInt64 {
            state.withLockedValue { state in
                state.next += 1
                state.bodies[state.next] = body
                return state.next
            }
        }

        func remove(_ id: UInt64) { state.withLockedValue { $0.bodies[id] = nil } }

        func note(_ change: Change) {
            for listener in state.withLockedValue({ $0.bodies }).values { listener(change) }
        }
    }

    private static let listeners = Listeners()

    static func listen(_ body: @escaping @Sendable (Change) -> Void) -> UInt64 { listeners.add(body) }
    static func end(_ id: UInt64) { listeners.remove(id) }
    static func note(_ change: Change) { listeners.note(change) }
}
