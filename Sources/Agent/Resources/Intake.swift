import NIOConcurrencyHelpers
import Resources

/// Writes that this node is taking, its own or offered ones: a drain waits for them, so that none is acknowledged by a
/// node that has said farewell; and a name that was deleted is not forgotten while an old one may still come.
final class Intake: Sendable {
    private let names = NIOLockedValueBox<[ResourceName: Int]>([:])

    func began(_ name: ResourceName) { names.withLockedValue { $0[name, default: 0] += 1 } }

    func ended(_ name: ResourceName) {
        names.withLockedValue { names in
            let rest = (names[name] ?? 0) - 1
            names[name] = rest > 0 ? rest : nil
        }
    }

    func isTaking(_ name: ResourceName) -> Bool { names.withLockedValue { $0[name] != nil } }
    var isIdle: Bool { names.withLockedValue(\.isEmpty) }
}
