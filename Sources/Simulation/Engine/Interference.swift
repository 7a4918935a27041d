import Vocabulary

/// Something that stands between a machine and everything else and changes what passes: how the checks are shown to be
/// able to fail, without a switch in what they check.
protocol Interference<Machine>: Sendable {
    associatedtype Machine: SimulatedMachine

    /// What goes in instead of the input, in order.
    mutating func take(
        _ input: HostInput<Machine>, for machine: Machine, in context: inout HostContext<Machine>
    ) -> [HostInput<Machine>]

    /// What is done instead of the machine's wishes, in order.
    mutating func give(
        _ wishes: [HostContext<Machine>.Wish], of machine: Machine, at now: Instant
    ) -> [HostContext<Machine>.Wish]

    /// When to come back with `.tick` for what is held up here, on the host's own clock.
    var deadline: Instant? { get }
}

extension Host {
    /// An input's way through the interference.
    mutating func interfere(_ interference: inout any Interference<Machine>, _ input: HostInput<Machine>) {
        guard var machine else { return }
        for input in interference.take(input, for: machine, in: &context) { machine.handle(input, in: &context) }
        context.wishes = interference.give(context.wishes, of: machine, at: context.now)
        let own = machine.deadline
        deadline = interference.deadline.map { held in own.map { min($0, held) } ?? held } ?? own
        self.machine = machine
    }
}

extension Simulator {
    /// From now on, through every life of the process.
    mutating func interfere(with host: HostID, by interference: any Interference<Machine>) {
        hosts[host.number].interference = interference
    }

    func interference(with host: HostID) -> (any Interference<Machine>)? { hosts[host.number].interference }
}
