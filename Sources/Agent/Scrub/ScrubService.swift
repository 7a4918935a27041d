import Client
import Logging
import NIOConcurrencyHelpers
import Storage
import Vocabulary

/// When the disk is read through: once in `scrub.interval`, at `scrub.rate`, and whenever an admin asks.
actor ScrubService {
    /// Of a pass that an admin asks for where the rate is 0, which turns only the others off.
    private static let rateDefault = AgentSettings.ScrubSettings().rate

    private let settings: AgentSettings.ScrubSettings
    private let repairs: BlobRepairs
    private let log: Logger
    private nonisolated let scrubber: Scrubber
    private nonisolated let shown = NIOLockedValueBox((isRunning: false, passes: UInt64(0)))
    private var isAsked = false
    private var isAskedPass = false
    private var underWay: Task<Void, any Error>?
    private nonisolated let wishes: AsyncStream<Void>
    private nonisolated let wish: AsyncStream<Void>.Continuation

    init(settings: AgentSettings.ScrubSettings, store: Store, repairs: BlobRepairs, log: Logger) {
        self.settings = settings
        self.repairs = repairs
        self.log = log
        scrubber = Scrubber(
            store: store,
            clock: Scrubber.Clock(
                now: { NodeDriver.now }, wall: { WallClock.milliseconds },
                pause: { try await Task.sleep(for: $0) }))
        (wishes, wish) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: Passes

    func run() async {
        do { try await scrubber.load() } catch {
            log.warning("could not read how far the scrub was", metadata: ["error": "\(error)"])
        }
        var wait = max(settings.startDelay, untilDue)
        while !Task.isCancelled {
            if !isAsked { await sleep(settings.rate > 0 ? wait : nil) }
            if Task.isCancelled { return }
            let asked = isAsked
            isAsked = false
            if asked || settings.rate > 0 && untilDue <= .zero { await pass(asked: asked) }
            wait = max(settings.startDelay, untilDue)
        }
    }

    /// Begins a pass over everything now, unless one that was asked for is under way.
    func ask() -> API.ScrubStatus {
        var answer = status
        guard !isAskedPass else { return answer }
        if !isAsked {
            isAsked = true
            underWay?.cancel()
            wish.yield()
        }
        // The one that it stands for has a number already; it is running as far as whoever asks is concerned.
        answer.passes = shown.withLockedValue { $0.passes } + 1
        answer.running = true
        return answer
    }

    private func pass(asked: Bool) async {
        let rate = UInt64(clamping: settings.rate > 0 ? settings.rate : Self.rateDefault)
        shown.withLockedValue { $0 = (true, $0.passes + 1) }
        isAskedPass = asked
        let (scrubber, repairs) = (scrubber, repairs)
        let task = Task {
            try await scrubber.pass(anew: asked, bytesPerSecond: rate) { finding in await repairs.found(finding) }
        }
        underWay = task
        let result = await withTaskCancellationHandler {
            await task.result
        } onCancel: {
            task.cancel()
        }
        underWay = nil
        isAskedPass = false
        shown.withLockedValue { $0.isRunning = false }
        switch result {
        case .success:
            let last = scrubber.record.last
            log.notice(
                "all blobs were checked",
                metadata: [
                    "blobs": "\(last?.checkedBlobs ?? 0)", "bytes": "\(last?.checkedBytes ?? 0)",
                    "faults": "\(last?.faults ?? 0)",
                ])
        case .failure(is CancellationError): break
        case .failure(let error):
            log.warning("the check of the blobs broke off; it goes on later", metadata: ["error": "\(error)"])
        }
    }

    /// Until the next pass is to begin, or to go on; never longer than the interval, whatever the clock did.
    private var untilDue: Duration {
        let record = scrubber.record
        guard record.pass == nil, let last = record.last else { return .zero }
        let now = WallClock.milliseconds
        guard now >= last.startedAt else { return settings.interval }
        return max(.zero, settings.interval - .milliseconds(Int64(clamping: now - last.startedAt)))
    }

    /// - Parameter limit: nil for until it is asked.
    private func sleep(_ limit: Duration?) async {
        let alarm = limit.map { limit in
            Task { [wish] in
                do { try await Task.sleep(for: limit) } catch { return }
                wish.yield()
            }
        }
        var iterator = wishes.makeAsyncIterator()
        _ = await iterator.next()
        alarm?.cancel()
    }

    // MARK: How it does

    nonisolated var status: API.ScrubStatus {
        let (record, shown, counts) = (scrubber.record, shown.withLockedValue { $0 }, repairs.counts)
        let pass = record.pass ?? record.last
        return API.ScrubStatus(
            running: shown.isRunning, passes: shown.passes,
            lastPass: record.last.map { _ in API.Timestamp.text(unixMilliseconds: record.lastEndedAt) },
            checked: pass?.checkedBlobs ?? 0, bytes: pass?.checkedBytes ?? 0,
            total: shown.isRunning ? scrubber.total.bytes : pass?.checkedBytes ?? 0, rotten: counts.rotten,
            repaired: counts.repaired, unrepaired: UInt64(clamping: counts.lacking))
    }

    /// Seconds since 1970 at the end of the last pass; nil before the first.
    nonisolated var lastPassSeconds: Double? {
        let record = scrubber.record
        return record.last == nil ? nil : Double(record.lastEndedAt) / 1000
    }

    /// Since this agent started.
    nonisolated var read: (blobs: UInt64, bytes: UInt64) { scrubber.read }
}
