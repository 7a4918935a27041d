import Hummingbird

/// Whether a request's body comes fast enough to keep its place. A byte now and then would hold a stream of the store
/// for days: the idle timer never sees it, and a few hundred of them keep everybody else's writes out.
///
/// Only the time that the agent waits for the client counts, never the client's wait for the agent's disk. Each window
/// stands for itself, so that a fast beginning earns no slow end; and what bursts in after a silence (a pipe whose
/// program was thinking) counts for that silence.
struct UploadPace {
    /// 4 KiB/s: a tenth of what a poor mobile link gives. At double, such a link fails in a bad minute; at half, the
    /// places of the store (`Store.Settings.uploadsMax`) are held twice as long by whoever means ill.
    static let bytesPerSecondMin = 4 * 1024
    /// Long enough for an outage that TCP repairs by itself; the idle timeout ends one that it does not.
    static let window: Duration = .seconds(30)

    private var waited: Duration = .zero
    private var bytes = 0

    /// A wait that ends a burst.
    static let pause: Duration = .seconds(1)

    /// Notes the next part, and how long it was waited for. False when what came before it was too little.
    mutating func take(_ count: Int, after waiting: Duration) -> Bool {
        let isOver = waited >= Self.window * 2 || (waited >= Self.window && waiting >= Self.pause)
        let isEnough = !isOver || bytes >= Self.bytesPerSecondMin * Int(clamping: Self.window.components.seconds)
        if isOver { (waited, bytes) = (.zero, 0) }
        waited += waiting
        bytes = bytes.addingReportingOverflow(count).overflow ? .max : bytes + count
        return isEnough
    }
}

extension APIError {
    static let tooSlow = APIError(
        .requestTimeout, code: "too_slow",
        "the body came at less than \(ByteCountText.show(UploadPace.bytesPerSecondMin)) a second: nothing was kept",
        hint: "send it again over a faster link")
}

/// The client went away in the middle of its request's body. Nobody is left to be answered, and nothing was kept.
struct BrokenUpload: Error, CustomStringConvertible {
    let cause: any Error

    var description: String { "the client broke off its upload: \(cause)" }
}
