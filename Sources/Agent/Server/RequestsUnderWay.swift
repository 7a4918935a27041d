import NIOConcurrencyHelpers
import Vocabulary

/// How many requests each holder of a certificate has under way: one that sends too many at once waits for its own, and
/// keeps nobody else from being served. Whoever opens the unix socket is not counted: its connections are bounded.
final class RequestsUnderWay: Sendable {
    let max: Int
    /// No larger than the table of connections: each has one request under way at most.
    private let counts = NIOLockedValueBox<[CertificateName: Int]>([:])

    init(max: Int) { self.max = max }

    /// Takes a place; `end` gives it back.
    func begin(_ name: CertificateName?) -> Bool {
        guard let name else { return true }
        return counts.withLockedValue { counts in
            let count = counts[name, default: 0]
            guard count < max else { return false }
            counts[name] = count + 1
            return true
        }
    }

    func end(_ name: CertificateName?) {
        guard let name else { return }
        counts.withLockedValue { counts in
            guard let count = counts[name] else { return }
            counts[name] = count > 1 ? count - 1 : nil
        }
    }
}
