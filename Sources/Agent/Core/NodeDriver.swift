import NIOConcurrencyHelpers
import NIOCore
import Node
import Relocation
import Resources
import SWIM
import Vocabulary

/// Drives the pure `NodeMachine` in real time: inputs from any thread go in under one lock, effects come out in order
/// for `EffectRunner`, and one timer on an event loop sends the ticks. All of the agent's own decisions pass here.
final class NodeDriver: Sendable {
    struct State {
        var machine: NodeMachine
        var rng: SeededGenerator
        var timer: (at: Instant, number: UInt64, task: Scheduled<Void>)?
        /// Timers set so far: one that fires while it is being replaced must not pass for its successor.
        var timers: UInt64 = 0
        var waiters: [NodeMachine.WriteID: CheckedContinuation<WriteEnd, Never>] = [:]
        var writes: UInt64 = 0
        /// Who waits for a member to be lost, by number (`NodeDriver+Loss`).
        var lookouts: [UInt64: Lookout] = [:]
        var lookoutCount: UInt64 = 0
        var isStopped = false
        /// Decided and not yet sent on, in order; emptied by the thread that finds nobody at it.
        var outbox: [NodeMachine.Effect] = []
        var isSending = false
    }

    let state: NIOLockedValueBox<State>
    private let eventLoop: any EventLoop
    private let effects: AsyncStream<NodeMachine.Effect>.Continuation
    /// What `EffectRunner` carries out. The machine's own bounds (one call a peer, a few pulls, the writes under way)
    /// bound what can wait here.
    let pending: AsyncStream<NodeMachine.Effect>
    /// Datagrams do not wait behind other work: they go out at once.
    private let send: @Sendable (NodeMachine.Effect) -> Bool

    /// - Parameter immediate: carries out an effect that needs no waiting; `false` hands it to `pending`.
    init(
        _ machine: NodeMachine, seed: UInt64, eventLoop: any EventLoop,
        immediate: @escaping @Sendable (NodeMachine.Effect) -> Bool
    ) {
        state = NIOLockedValueBox(State(machine: machine, rng: SeededGenerator(seed: seed)))
        self.eventLoop = eventLoop
        send = immediate
        (pending, effects) = AsyncStream.makeStream(of: NodeMachine.Effect.self)
    }

    /// The machine's clock: this process's uptime.
    static var now: Instant { Instant(nanoseconds: Int64(clamping: NIODeadline.now().uptimeNanoseconds)) }

    func feed(_ input: NodeMachine.Input) {
        change { machine, rng, effects in machine.handle(input, at: Self.now, using: &rng, into: &effects) }
    }

    /// Looks at the machine as it is now.
    func read<T>(_ body: (NodeMachine) -> T) -> T { state.withLockedValue { body($0.machine) } }

    func nearestFirst(_ holders: [NodeName]) -> [NodeName] { read { $0.nearestFirst(holders: holders) } }

    func answer(_ request: CompareRequest, from peer: NodeName) -> CompareReply {
        state.withLockedValue { $0.machine.answer(request, from: peer) }
    }

    func answer(_ request: SumsRequest, from peer: NodeName) -> SumsReply {
        state.withLockedValue { $0.machine.answer(request, from: peer) }
    }

    func consider(_ request: TombstoneRequest) -> (sets: [VersionSet], unlisted: [NodeName: Life]) {
        read { $0.consider(request, at: Self.now) }
    }

    /// Reports a write that is durable here, and waits until it has its copies, nobody is left to ask, or the time
    /// is up.
    func acknowledgement(
        of version: Version, leaving former: GroupKey?, within limit: Duration
    ) async -> WriteEnd {
        let id = state.withLockedValue { state in
            state.writes &+= 1
            return NodeMachine.WriteID(number: state.writes)
        }
        let timeout = eventLoop.scheduleTask(in: TimeAmount(limit)) { self.feed(.writeTimedOut(id)) }
        defer { timeout.cancel() }
        return await withCheckedContinuation { continuation in
            let stopped = state.withLockedValue { state in
                if !state.isStopped { state.waiters[id] = continuation }
                return state.isStopped
            }
            if stopped {
                continuation.resume(returning: WriteEnd())
            } else {
                feed(.wrote(id, version, leaving: former))
            }
        }
    }

    /// No effect leaves and no tick comes any more; whoever waits for a write is told what is known: nothing.
    func stop() {
        let (waiters, lookouts) = state.withLockedValue { state in
            state.isStopped = true
            state.timer?.task.cancel()
            state.timer = nil
            defer { (state.waiters, state.lookouts) = ([:], [:]) }
            return (Array(state.waiters.values), Array(state.lookouts.values))
        }
        effects.finish()
        for lookout in lookouts { lookout.continuation.resume() }
        for waiter in waiters { waiter.resume(returning: WriteEnd()) }
    }

    private func change(_ body: (inout NodeMachine, inout SeededGenerator, inout [NodeMachine.Effect]) -> Void) {
        var out: [NodeMachine.Effect] = []
        var isMine = false
        var resumed: [(CheckedContinuation<WriteEnd, Never>, WriteEnd)] = []
        var lost: [Lookout] = []
        state.withLockedValue { state in
            guard !state.isStopped else { return }
            body(&state.machine, &state.rng, &out)
            for case .acknowledge(let id, let end) in out {
                guard let waiter = state.waiters.removeValue(forKey: id) else { continue }
                resumed.append((waiter, end))
            }
            schedule(&state)
            guard !out.isEmpty else { return }
            if out.contains(where: \.isMemberEvent) { lost = state.takeLost() }
            state.outbox.append(contentsOf: out)
            isMine = !state.isSending
            state.isSending = true
        }
        for lookout in lost { lookout.continuation.resume() }
        for (waiter, end) in resumed { waiter.resume(returning: end) }
        if isMine { sendOn() }
    }

    /// Outside the lock of the machine, since a log line may wait for a disk, but one thread at a time: what happened to a
    /// member must be told in the order in which it happened.
    private func sendOn() {
        while true {
            let batch = state.withLockedValue { state in
                defer { state.outbox = [] }
                if state.outbox.isEmpty { state.isSending = false }
                return state.outbox
            }
            guard !batch.isEmpty else { return }
            for effect in batch where !send(effect) { effects.yield(effect) }
        }
    }

    /// Keeps exactly one timer, for the machine's next deadline.
    private func schedule(_ state: inout State) {
        let deadline = state.machine.deadline
        if let timer = state.timer {
            // A timer that fires early finds nothing due and is set again; only a late one must be replaced.
            if timer.at <= deadline { return }
            timer.task.cancel()
        }
        let nanoseconds = UInt64(clamping: max(deadline.nanoseconds, 0))
        state.timers &+= 1
        let number = state.timers
        let task = eventLoop.scheduleTask(deadline: NIODeadline.uptimeNanoseconds(nanoseconds)) { self.tick(number) }
        state.timer = (deadline, number, task)
    }

    private func tick(_ number: UInt64) {
        let isCurrent = state.withLockedValue { state in
            guard state.timer?.number == number else { return false }
            state.timer = nil
            return true
        }
        if isCurrent { feed(.tick) }
    }
}
