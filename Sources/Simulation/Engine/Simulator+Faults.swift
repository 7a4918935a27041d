import Vocabulary

// What can befall a host. Faults of the network are methods of `network`.

extension Simulator {
    /// Starts the machine with what its disk holds. Does nothing when it runs.
    public mutating func boot(_ id: HostID) {
        guard hosts[id.number].machine == nil else { return }
        trace.note(.boot, at: now, id, text: "\(hosts[id.number].name) at \(hosts[id.number].endpoint)")
        hosts[id.number].start(at: now, id: id)
        carryOutWishes(of: id)
        if hosts[id.number].machine != nil { setAlarm(id) }
    }

    /// SIGKILL: the process ends here and now. The kernel lives: what was written stays, peers see their connections
    /// end, and callers are refused.
    public mutating func kill(_ id: HostID) {
        guard hosts[id.number].machine != nil else { return }
        trace.note(.crash, at: now, id)
        abandonCalls(of: id, isSeen: true)
        hosts[id.number].end()
    }

    /// The host goes dark: nothing answers, and of what was not synced some part is lost.
    public mutating func losePower(_ id: HostID, _ loss: SimulatedDisk<Machine.Disk>.Loss = .everything) {
        trace.note(.crash, at: now, id, text: "power")
        abandonCalls(of: id, isSeen: false)
        hosts[id.number].end()
        hosts[id.number].isPowered = false
        var dice = hosts[id.number].context.random
        hosts[id.number].context.disk.losePower(loss, using: &dice)
        hosts[id.number].context.random = dice
    }

    /// The process ends by its own will, its disk in order.
    mutating func stop(_ id: HostID) {
        trace.note(.stop, at: now, id)
        abandonCalls(of: id, isSeen: true)
        hosts[id.number].context.disk.syncNow()
        hosts[id.number].end()
    }

    /// SIGSTOP: nothing in, nothing out, no timer; the kernel goes on taking what arrives.
    public mutating func pause(_ id: HostID, for time: Duration? = nil) {
        guard hosts[id.number].machine != nil else { return }
        trace.note(.pause, at: now, id)
        hosts[id.number].isPaused = true
        if let time { queue.schedule(.resume(id, life: hosts[id.number].life), at: now + time) }
    }

    /// SIGCONT: what waited comes at once, in the order of its arrival, then what the timers owe, as an event loop does.
    public mutating func resume(_ id: HostID) {
        guard hosts[id.number].isPaused else { return }
        trace.note(.resume, at: now, id)
        hosts[id.number].isPaused = false
        flowOn(id)
        scheduleDrain(id)
        // Wake-ups that came during the pause were ignored.
        hosts[id.number].armedAt = nil
        setAlarm(id)
    }

    /// From now on each input takes the process this long.
    public mutating func setServiceTime(_ time: Duration, of id: HostID) {
        hosts[id.number].serviceTime = max(time, .zero)
    }

    /// The wall clock jumps to this far ahead (or behind) of the true time.
    public mutating func setWallError(milliseconds: Int64, of id: HostID) {
        hosts[id.number].clock.wallErrorMilliseconds = milliseconds
    }

    /// At most a tenth of the time either way; only while the process is down, so that its clock never jumps.
    public mutating func setDrift(partsPerMillion: Int32, of id: HostID) {
        guard hosts[id.number].machine == nil else { return }
        hosts[id.number].clock.driftPartsPerMillion = min(max(partsPerMillion, -100_000), 100_000)
    }

    /// The host, which must be down, comes back under another address.
    public mutating func move(_ id: HostID, to endpoint: Endpoint) {
        guard hosts[id.number].machine == nil else { return }
        if listeners[hosts[id.number].endpoint] == id { listeners[hosts[id.number].endpoint] = nil }
        hosts[id.number].endpoint = endpoint
        listeners[endpoint] = id
    }

    public mutating func configure(_ id: HostID, _ configuration: Machine.Configuration) {
        hosts[id.number].configuration = configuration
    }

    /// Changes a disk from outside: capacity, sync time, an old snapshot, an empty one, rot.
    public mutating func withDisk(of id: HostID, _ change: (inout SimulatedDisk<Machine.Disk>) -> Void) {
        change(&hosts[id.number].context.disk)
    }

    /// An operator's or a client's word to the machine on a host.
    public mutating func command(_ command: Machine.Command, to id: HostID) { deliver(.command(command), to: id) }
}
