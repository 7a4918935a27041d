import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Reads that may wait for whoever feeds a pipe, and that end when nobody wants their bytes any more: a read(2) on a
/// silent pipe can not be called back, so it is not begun before poll(2) says that it will return.
enum DescriptorReader {
    /// How soon a cancelled read notices. At half of it a silent pipe wakes a thread twice as often, for nothing.
    private static let pollMilliseconds: Int32 = 100

    /// Up to `count` bytes as soon as there are some; none at the end.
    ///
    /// - Throws: `ClientError.file`, `CancellationError`.
    static func read(_ descriptor: Int32, path: String, count: Int) async throws -> ByteBuffer {
        let isCancelled = NIOLockedValueBox(false)
        return try await withTaskCancellationHandler {
            // A pipe may stay silent for hours: on a thread for such waits, not on one of the few that run tasks.
            try await NIOThreadPool.singleton.runIfActive {
                while try !isReadable(descriptor, path: path) {
                    if isCancelled.withLockedValue({ $0 }) { throw CancellationError() }
                }
                return try readNow(descriptor, path: path, count: count)
            }
        } onCancel: {
            isCancelled.withLockedValue { $0 = true }
        }
    }

    /// Whether a read would return at once, with bytes, the end or an error; waits a moment for it.
    private static func isReadable(_ descriptor: Int32, path: String) throws -> Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let count = poll(&waiting, 1, pollMilliseconds)
        if count < 0 {
            let failure = SystemErrors.current
            if failure != EINTR { throw failed(path, failure) }
        }
        return count > 0
    }

    private static func readNow(_ descriptor: Int32, path: String, count: Int) throws -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        while true {
            var failure: Int32 = 0
            let got = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { bytes in
                #if canImport(Darwin)
                    let result = Darwin.read(descriptor, bytes.baseAddress, count)
                #elseif canImport(Musl)
                    let result = Musl.read(descriptor, bytes.baseAddress, count)
                #else
                    let result = Glibc.read(descriptor, bytes.baseAddress, count)
                #endif
                if result < 0 { failure = SystemErrors.current }
                return Swift.max(0, result)
            }
            if got == 0 && failure == EINTR { continue }
            guard failure == 0 else { throw failed(path, failure) }
            return buffer
        }
    }

    private static func failed(_ path: String, _ failure: Int32) -> ClientError {
        .file(
            path: path, doing: "reading", cause: SystemErrors.text(failure), remedy: "check the disk and try again")
    }
}
