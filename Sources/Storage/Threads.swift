import NIOPosix

/// The store's own threads for file calls that block. Swift's cooperative threads must never wait for a disk.
///
/// Not cancellable on purpose: a file operation that has begun is carried out, so that what a caller hears is what
/// happened.
struct Threads: Sendable {
    let pool: NIOThreadPool
    let folder: String

    func run<T: Sendable>(
        _ body: @escaping @Sendable () throws(StorageError) -> T
    ) async throws(StorageError) -> T {
        let result: Result<T, StorageError> = await withCheckedContinuation { continuation in
            pool.submit { state in
                switch state {
                case .active:
                    do throws(StorageError) { continuation.resume(returning: .success(try body())) } catch {
                        continuation.resume(returning: .failure(error))
                    }
                case .cancelled: continuation.resume(returning: .failure(.closed(folder: folder)))
                }
            }
        }
        return try result.get()
    }

    /// Carries out a last duty that nobody waits for (closing, removing), also while the store shuts down.
    func finally(_ body: @escaping @Sendable () -> Void) { pool.submit { _ in body() } }

    /// The same, and returns when it is done.
    func finish(_ body: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { continuation in
            pool.submit { _ in
                body()
                continuation.resume()
            }
        }
    }
}
