import Dispatch
import NIOConcurrencyHelpers
import NIOCore
import Storage
import Testing

@testable import Agent

/// What keeps systemd's watchdog from being fed. The probes' pace and the disk's pulse have tests of their own.
@Suite struct WatchdogTests {
    @Test("an event loop that hangs, any of them, is waited for as long as it does")
    func blockedLoop() async throws {
        let bed = try TestBed()
        let agent = try await TestAgent.start(bed, "a")
        #expect(await agent.service.makesProgress())
        for loop in agent.service.group.makeIterator() {
            let held = DispatchSemaphore(value: 0)
            let isOver = NIOLockedValueBox(false)
            loop.execute { held.wait() }
            let look = Task {
                let answer = await agent.service.makesProgress()
                isOver.withLockedValue { $0 = true }
                return answer
            }
            // A loop that works answers in less than a millisecond.
            try await Task.sleep(for: .milliseconds(200))
            #expect(!isOver.withLockedValue { $0 })
            held.signal()
            #expect(await look.value)
        }
        await agent.stop()
    }

    @Test("a store that answers with an error is no hang: a new start would not mend it")
    func closedStore() async throws {
        let bed = try TestBed()
        let agent = try await TestAgent.start(bed, "a")
        await agent.core.store.shutdown()
        #expect(await agent.service.makesProgress())
        await agent.stop()
    }
}
