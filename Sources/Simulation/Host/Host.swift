import DequeModule
import Vocabulary

/// One simulated host: a name and an address, a disk that stays, and at times a running machine with its calls.
struct Host<Machine: SimulatedMachine>: Sendable {
    let name: NodeName
    var endpoint: Endpoint
    var configuration: Machine.Configuration
    var clock = HostClock()
    /// Disk, randomness and wishes; outlives the machine.
    var context: HostContext<Machine>
    /// `nil`: no process runs.
    var machine: Machine?
    /// The machine's, asked once after each input: the engine looks at it several times for every event, and looking
    /// into a machine of many parts copies it.
    var deadline: Instant?
    /// `nil` except where a defect is planted.
    var interference: (any Interference<Machine>)?
    /// False after a power cut: not even a refusal comes from here.
    var isPowered = true
    /// Counts starts and ends, so that what was meant for another life is told apart.
    var life: UInt32 = 0

    /// What waits while the process is paused or busy.
    var inbox: Deque<HostInput<Machine>> = []
    /// A tick waits in the inbox: no other is needed before it.
    var isTickWaiting = false
    var isPaused = false
    /// What stands between the process and its messages; `nil` on a healthy host.
    var blockage: Blockage<Machine>?
    /// How long each input takes; zero on a healthy host.
    var serviceTime = Duration.zero
    var busyUntil = Instant.zero
    var isDraining = false

    /// Calls that this life has under way, and those it was asked and has not answered; in the order of their making.
    var calling: [CallID] = []
    var serving: [CallID] = []

    /// The earliest wake-up that is in the queue for this life.
    var armedAt: Instant?
    /// Ticks in a row after which the machine still wanted one at once: a machine that spins.
    var spins = 0

    var sent = Traffic()
    var received = Traffic()

    /// A socket's buffer: past it datagrams are dropped, as the kernel does. Calls wait in TCP's.
    static var inboxDatagramsMax: Int { 1_000 }

    mutating func start(at time: Instant, id: HostID) {
        life &+= 1
        isPowered = true
        clock.startedAt = time
        clock.zero = Instant(nanoseconds: Int64(context.random.next() >> 24))  // up to 18 minutes
        look(at: time)
        let boot = Boot(name: name, endpoint: endpoint, configuration: configuration, host: id)
        let machine = Machine(boot, in: &context)
        deadline = machine.deadline
        self.machine = machine
    }

    mutating func end() {
        life &+= 1
        machine = nil
        deadline = nil
        blockage = nil
        inbox = []
        isTickWaiting = false
        isPaused = false
        isDraining = false
        busyUntil = .zero
        calling = []
        serving = []
        armedAt = nil
        spins = 0
        context.wishes = []
    }

    mutating func handle(_ input: HostInput<Machine>, at time: Instant) {
        look(at: time)
        if var meddler = interference {
            interfere(&meddler, input)
            interference = meddler
            return
        }
        machine?.handle(input, in: &context)
        deadline = machine?.deadline
    }

    private mutating func look(at time: Instant) {
        context.now = clock.local(time)
        context.wallMilliseconds = clock.wallMilliseconds(time)
    }
}

/// What went over a host's connection.
public struct Traffic: Hashable, Sendable {
    public var datagrams = 0
    public var datagramBytes = 0
    public var calls = 0
    public var callBytes = 0
}
