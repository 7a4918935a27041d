import ArgumentParser
import Dispatch

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Ctrl-C and SIGTERM while a verb runs: the work is cancelled, so that it takes its temporary files away, and the
/// process ends as one that the signal had ended (130, 143).
enum Interrupt {
    /// Whoever does not stop within this (a read of a silent pipe) is left behind: what it would clean up, it has done.
    static let patience = DispatchTimeInterval.seconds(2)

    private enum Outcome: Sendable { case done, signal(Int32) }

    static func guarding(
        patience: DispatchTimeInterval = patience, _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        let (signals, continuation) = AsyncStream<Int32>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { continuation.yield(number) }
            source.resume()
            return source
        }
        defer {
            for source in sources { source.cancel() }
            for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
        }
        try await withThrowingTaskGroup(of: Outcome.self) { group in
            group.addTask {
                try await body()
                return .done
            }
            group.addTask {
                for await number in signals { return .signal(number) }
                return .done
            }
            defer { group.cancelAll() }
            guard case .signal(let number) = try await group.next() else { return }
            group.cancelAll()
            DispatchQueue.global().asyncAfter(deadline: .now() + patience) { _exit(128 + number) }
            // The work's own end does not matter any more, only that it has ended.
            while await group.nextResult() != nil {}
            throw ExitCode(128 + number)
        }
    }
}
