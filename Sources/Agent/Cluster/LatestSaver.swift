import Logging
import Storage

/// Writes the present state of something small to the catalogue: one save at a time, always of the latest value, so
/// that no earlier one can overtake it; a failed save (a full disk) is tried again until it succeeds.
actor LatestSaver {
    /// What to write now; `nil`: nothing yet.
    typealias Value = @Sendable () throws -> [UInt8]?
    typealias Write = @Sendable ([UInt8]) async throws -> Void

    private let what: String
    private let value: Value
    private let write: Write
    private let log: Logger
    private var isSaving = false
    private var isDirty = false
    /// Before the next attempt, should this one fail.
    private(set) var pause: Duration
    private let pauseShortest: Duration
    /// Those who called while another was at it.
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var retry: Task<Void, Never>?

    static let pauseFirst = Duration.seconds(1)
    static let pauseMax = Duration.seconds(60)

    init(
        _ what: String, log: Logger, pauseFirst: Duration = LatestSaver.pauseFirst, value: @escaping Value,
        write: @escaping Write
    ) {
        self.what = what
        self.value = value
        self.write = write
        self.log = log
        pauseShortest = pauseFirst
        pause = pauseFirst
    }

    deinit { retry?.cancel() }

    /// Returns when the latest value is on disk, or when its saving failed and will be tried again. While another call is at
    /// it, that one goes round once more.
    func save() async {
        isDirty = true
        guard !isSaving else { return await withCheckedContinuation { waiting.append($0) } }
        isSaving = true
        defer {
            isSaving = false
            for caller in waiting { caller.resume() }
            waiting = []
        }
        while isDirty {
            isDirty = false
            do {
                if let bytes = try value() { try await write(bytes) }
                // The disk is well: what fails later is a new trouble.
                pause = pauseShortest
            } catch {
                log.error("could not save the \(what); trying again", metadata: ["error": "\(error)"])
                tryAgain()
                return
            }
        }
    }

    private func tryAgain() {
        guard retry == nil else { return }
        let pause = pause
        self.pause = min(pause * 2, Self.pauseMax)
        // Not held by its own retry: it ends with its owner.
        retry = Task { [weak self] in
            do { try await Task.sleep(for: pause) } catch { return }
            await self?.retryNow()
        }
    }

    private func retryNow() async {
        retry = nil
        await save()
    }
}
