/// One round of telling at a time, in the background: news that comes meanwhile is told by one more round, since each
/// tells all that there is.
actor Announcer {
    private var isTelling = false
    private var isDue = false

    nonisolated func tell(_ round: @escaping @Sendable () async -> Void) { Task { await self.run(round) } }

    private func run(_ round: @Sendable () async -> Void) async {
        isDue = true
        guard !isTelling else { return }
        isTelling = true
        defer { isTelling = false }
        while isDue {
            isDue = false
            await round()
        }
    }
}
