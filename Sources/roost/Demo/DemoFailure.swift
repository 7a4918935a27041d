/// Why the story could not go on: what was expected, and what was seen instead.
struct DemoFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Waiting for what must become true, with a deadline and an account of what was seen last.
enum Patience {
    enum Look<Value: Sendable>: Sendable {
        case done(Value)
        case notYet(String)
    }

    private static let pollInterval = Duration.milliseconds(30)

    /// - Parameter look: errors but `DemoFailure` count as not yet.
    static func wait<Value: Sendable>(
        atMost limit: Duration, for what: String, isolation: isolated (any Actor)? = #isolation,
        _ look: () async throws -> Look<Value>
    ) async throws -> Value {
        let deadline = ContinuousClock.now + limit
        while true {
            try Task.checkCancellation()
            var seen: String
            do {
                switch try await look() {
                case .done(let value): return value
                case .notYet(let state): seen = state
                }
            } catch let failure as DemoFailure {
                throw failure
            } catch {
                seen = "\(error)"
            }
            guard ContinuousClock.now < deadline else {
                throw DemoFailure("waited \(limit.components.seconds) s for \(what); last seen: \(seen)")
            }
            try await Task.sleep(for: pollInterval)
        }
    }
}
