import Resources
import Vocabulary

// The clients: each asks one thing at a time, at any node. A read is tried again elsewhere, as the command line does; a
// write is never sent twice.

extension ClusterExperiment {
    struct Client: Sendable {
        var next: Instant
        var request: Request?

        init(next: Instant) { self.next = next }
    }

    struct Request: Sendable {
        var number: Int
        let what: What
        var host: HostID
        let since: Instant
        var asked: Instant
        var attempts = 1
        /// Set while it waits to be tried again.
        var retryAt: Instant?
    }

    enum What: Sendable {
        case read(ResourceName)
        case write(WriteRequest)
    }

    /// Where clients turn from name to name, the next one's comes after so long.
    private static var turn: Duration { .seconds(5) }

    private static var writePatience: Duration { .seconds(60) }
    /// Then the client asks another node.
    private static var readPatience: Duration { .seconds(20) }

    mutating func runClients(areAsking: Bool) {
        for index in clients.indices {
            if let request = clients[index].request {
                attend(request, client: index)
            } else if areAsking, clients[index].next <= simulator.now, let host = anyHost() {
                let what = draw()
                start(isClassic ? what : conditioned(what), at: host, client: index)
            }
        }
    }

    mutating func start(_ what: What, at host: HostID, client index: Int) {
        nextNumber += 1
        clients[index].request = Request(
            number: nextNumber, what: what, host: host, since: simulator.now, asked: simulator.now)
        send(what, nextNumber, to: host)
    }

    private mutating func send(_ what: What, _ number: Int, to host: HostID) {
        switch what {
        case .read(let name):
            tell("client \(number) reads \(name) at \(simulator.name(of: host))")
            simulator.command(.read(number, name), to: host)
        case .write(let request):
            let action = request.content == .tombstone ? "deletes" : "puts"
            tell("client \(number) \(action) \(request.name) at \(simulator.name(of: host))")
            laws.issued(number, request, at: simulator.now)
            simulator.command(.write(number, request), to: host)
        }
    }

    private mutating func draw() -> What {
        var name = names[Int.random(in: 0..<names.count, using: &random)]
        let what = Int.random(in: 0..<100, using: &random)
        // A name that is deleted has to lie for a while to be forgotten.
        if plan.features.tombstoneKeep != nil, what >= 45 {
            let turn = Int((simulator.now - .zero) / Self.turn) + Int.random(in: 0..<6, using: &random)
            name = names[turn % names.count]
        }
        switch what {
        case ..<45: return .read(name)
        case ..<(plan.features.tombstoneKeep == nil ? 58 : 72):
            return .write(WriteRequest(name: name, content: .tombstone, home: nil, precondition: .none))
        default:
            let words = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }
            // Now and then two names have the same bytes.
            let isCommon = Int.random(in: 0..<10, using: &random) == 0
            let bytes = isCommon ? [UInt8](repeating: 7, count: 32) : words
            guard let digest = ContentDigest(bytes: bytes) else { return .read(name) }
            let size = isCommon ? 1_000 : UInt64(1) << UInt64.random(in: 0...22, using: &random)
            let isAtHome = Int.random(in: 0..<5, using: &random) == 0
            let moved = isAtHome ? hosts.filter { $0.state == .running }.randomElement(using: &random)?.id : nil
            let home = plan.features.movesHomes ? moved : homes[name]
            return .write(
                WriteRequest(
                    name: name, content: .blob(digest: digest, size: size, mediaType: "text/plain"),
                    home: home.map { simulator.name(of: $0) }, precondition: .none))
        }
    }

    private mutating func anyHost() -> HostID? {
        hosts.filter { $0.state == .running && simulator.isRunning($0.id) }.randomElement(using: &random)?.id
    }

    /// Looks after a request under way: its node may have gone, or it waits for its next try.
    private mutating func attend(_ request: Request, client index: Int) {
        let waited = simulator.now - request.since
        switch request.what {
        case .write:
            if !simulator.isRunning(request.host) || waited > Self.writePatience { free(index) }
        case .read(let name):
            if waited > plan.answerWithin {
                // A law for one fault at a time, its forerunner's waits included.
                let before = request.since + .seconds(-20)
                if faultTimes.count(where: { $0 > before }) <= 1, disturbedAt < before {
                    laws.broken(6, simulator.now, "\(name) was not answered in \(waited.seconds) s")
                }
                return free(index)
            }
            if let at = request.retryAt {
                guard at <= simulator.now, let host = anyHost() else { return }
                nextNumber += 1
                clients[index].request?.number = nextNumber
                clients[index].request?.host = host
                clients[index].request?.asked = simulator.now
                clients[index].request?.attempts += 1
                clients[index].request?.retryAt = nil
                send(request.what, nextNumber, to: host)
            } else if !simulator.isRunning(request.host) || simulator.now - request.asked > Self.readPatience {
                clients[index].request?.retryAt = simulator.now
            }
        }
    }

    private mutating func free(_ index: Int) {
        clients[index].request = nil
        clients[index].next = simulator.now + .milliseconds(Int64.random(in: 50...1_500, using: &random))
    }

    private func client(of number: Int) -> Int? { clients.firstIndex { $0.request?.number == number } }

    mutating func wrote(_ number: Int, _ result: WriteResult) {
        guard let index = client(of: number), case .write(let request) = clients[index].request?.what else { return }
        laws.answered(number, request.name, result, simulator)
        learn(request.name, of: result)
        duel?.answers[number] = result
        free(index)
    }

    mutating func hasRead(_ number: Int, _ result: ReadResult) {
        guard let index = client(of: number), let request = clients[index].request, case .read(let name) = request.what
        else { return }
        guard result != .unavailable, result != .behind, result != .silence else {
            let pause = Duration.milliseconds(100 * (1 << min(request.attempts - 1, 4)))
            clients[index].request?.retryAt = simulator.now + min(pause, .seconds(2))
            return
        }
        slowestRead = max(slowestRead, simulator.now - request.since)
        laws.read(name, since: request.since, result, at: simulator.now)
        if case .found(let version) = result { known[name] = version.dot }
        if result == .missing { known[name] = nil }
        free(index)
    }
}
