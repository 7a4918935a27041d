import Logging
import NIOCore
import Node
import Storage

/// `WATCHDOG=1` for systemd, only while all that does the work makes progress: when one of them hangs, systemd hears
/// nothing, and starts the agent anew.
extension AgentService {
    /// Looked at four times in the interval: two looks may find it busy, and it still is heard in time.
    private static let looksPerInterval = 4

    func feedWatchdog() async {
        guard let interval = notifier.watchdog else { return }
        while !Task.isCancelled {
            if await makesProgress() { notifier.feedWatchdog() }
            do { try await Task.sleep(for: interval / Self.looksPerInterval) } catch { return }
        }
    }

    /// Returns late, or never, when what it asks hangs; and then nobody feeds the watchdog.
    func makesProgress() async -> Bool {
        for eventLoop in group.makeIterator() {
            do { try await waiting(for: "an event loop") { try await eventLoop.submit {}.get() } } catch {
                return false
            }
        }
        // The node's lock, its timer and its probes.
        guard core.driver.read({ $0.keepsPace(at: NodeDriver.now) }) else {
            core.log.warning("the node is behind its own timers; the watchdog is not fed")
            return false
        }
        do { try await waiting(for: "the disk") { try await core.store.pulse() } } catch {
            // It answers, if badly: a new start would not mend the disk, and whoever reads or writes says what is wrong.
            core.log.warning("the disk answers with an error", metadata: ["error": "\(error)"])
        }
        return true
    }

    /// Says of what hangs that it does, while it does: what systemd says later is only that it heard nothing.
    private func waiting(for what: String, _ ask: () async throws -> Void) async rethrows {
        guard let interval = notifier.watchdog else { return try await ask() }
        let began = ContinuousClock.now
        let patience = interval / Self.looksPerInterval
        let teller = Task { [log = core.log] in
            do { try await Task.sleep(for: patience) } catch { return }
            log.warning("\(what) does not answer; the watchdog is not fed", metadata: ["for": "\(patience)"])
        }
        defer { teller.cancel() }
        try await ask()
        let taken = ContinuousClock.now - began
        guard taken >= patience else { return }
        core.log.notice("\(what) answers again", metadata: ["after": "\(taken)"])
    }
}
