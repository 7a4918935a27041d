/// Looks at a condition again and again: for what comes about by itself, and tells nobody when it has.
enum Polling {
    /// Returns when the condition holds, when the time is up, or when the task is cancelled.
    ///
    /// - Parameter interval: between two looks; nothing but the time of the return depends on it.
    static func wait(
        atMost limit: Duration, every interval: Duration, until condition: () -> Bool
    ) async {
        let end = ContinuousClock.now + limit
        while !condition(), ContinuousClock.now < end {
            do { try await Task.sleep(for: interval) } catch { return }
        }
    }
}
