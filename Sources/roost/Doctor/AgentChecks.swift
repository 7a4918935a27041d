import Agent
import Client
import FoundationEssentials
import Vocabulary

/// What the agent of this host says of itself and of the others, and how they are reached from here.
struct AgentChecks: Sendable {
    let address: AgentAddress
    /// The folder of the certificate that the others are called with; and the agent, over https.
    let certificates: String
    let settings: AgentSettings

    struct Found: Sendable {
        var status: API.Status?
        var checks: [API.Check] = []
    }

    private static let patience = Duration.seconds(5)

    func run() async -> Found {
        var found = Found()
        let client: AgentClient
        do {
            client = try AgentClient(
                agents: [address], certificates: needsCertificates ? certificates : nil, connectTimeout: Self.patience,
                timeouts: ClientTimeouts(idle: .seconds(10)))
            let status = try await client.status()
            found.status = status
            found.checks += Self.checks(of: status)
        } catch {
            found.checks = [
                API.Check(
                    "agent", .fail, "no agent answers at \(address): \(error)",
                    remedy: "systemctl status roost, journalctl -u roost; as root or the socket's group, if it is that")
            ]
            found.checks += await others(settings.join.map { (name: nil, endpoint: $0) })
            return found
        }
        do {
            let members = try await client.members()
            found.checks += Self.checks(of: members, asking: found.status?.node ?? "")
            var present: [(name: String?, endpoint: Endpoint)] = []
            for member in members where member.name != found.status?.node && Self.isPresent(member) {
                guard let endpoint = try? Endpoint(parsing: member.address) else { continue }
                present.append((member.name, endpoint))
            }
            found.checks += await others(present)
        } catch {
            found.checks.append(API.Check("members", .warn, "the agent did not tell its members: \(error)"))
        }
        // A reader's certificate may not ask that: then nothing is said of it.
        if let keys = try? await client.keys() { found.checks.append(Self.check(of: keys)) }
        await client.close()
        return found
    }

    private var needsCertificates: Bool {
        switch address {
        case .https: true
        case .unix: false
        }
    }

    // MARK: What it says of itself

    static func checks(of status: API.Status) -> [API.Check] {
        let who = "\(status.node) of \(status.cluster), version \(status.version), \(status.phase.rawValue)"
        let up = "up \(HumanUnits.duration(milliseconds: status.uptimeMilliseconds))"
        var checks: [API.Check]
        switch status.phase {
        case .serving: checks = [API.Check("agent", .ok, "\(who), \(up)")]
        case .starting, .joining:
            checks = [
                API.Check(
                    "agent", .warn, "\(who), \(up): it has not found its way into the cluster",
                    remedy: "its log says whom it tries; check join, and 7667/tcp there")
            ]
        case .syncing, .draining, .left: checks = [API.Check("agent", .warn, "\(who), \(up)")]
        }
        let resources = status.resources
        let work = status.moves.active + status.moves.queued
        if status.converged {
            checks.append(API.Check("copies", .ok, "\(resources.held) resources held, every copy is in its place"))
        } else {
            checks.append(
                API.Check(
                    "copies", .warn,
                    "\(resources.underReplicated) short of copies, \(resources.misplaced) misplaced, \(work) to fetch",
                    remedy: "wait; if it stays so, start the members that are down, or forget them"))
        }
        for full in status.withoutRoom ?? [] {
            checks.append(
                API.Check(
                    "room", .warn,
                    "\(full.node) has no room, or its disk fails, for \(full.resources) resources that it is to own",
                    remedy: "see its doctor and its log; till there is room others hold them in its place"))
        }
        if let scrub = status.scrub, scrub.unrepaired > 0 {
            checks.append(
                API.Check(
                    "scrub", .fail, "\(scrub.unrepaired) blobs are lacking, and no node that answers has them",
                    remedy: ScrubCommand.remedy))
        }
        return checks
    }

    static func check(of keys: API.Keys) -> API.Check {
        guard let present = keys.keys.first(where: \.primary) else {
            return API.Check("keys", .warn, "the node has no gossip key yet", remedy: "it gets one as it joins")
        }
        guard keys.rotating != true else {
            let count = keys.keys.count
            return API.Check("keys", .ok, "a rotation is under way: \(count) keys, \(present.id) seals")
        }
        let (have, all) = (present.members ?? 1, keys.members ?? 1)
        guard have < all else { return API.Check("keys", .ok, "\(present.id) seals the gossip of all \(all) members") }
        return API.Check(
            "keys", .warn, "\(have) of \(all) members are known to have the gossip key \(present.id)",
            remedy: "check that this node reaches the others over TLS (below)")
    }

    // MARK: The others

    private static func isPresent(_ member: API.Member) -> Bool {
        switch member.state {
        case .alive, .suspect, .restarting, .draining: true
        case .crashed, .left: false
        }
    }

    static func checks(of members: [API.Member], asking node: String) -> [API.Check] {
        let others = members.filter { $0.name != node }
        func names(_ some: [API.Member]) -> String {
            some.prefix(8).map(\.name).joined(separator: ", ") + (some.count > 8 ? " and \(some.count - 8) more" : "")
        }
        var checks: [API.Check] = []
        let crashed = others.filter { $0.state == .crashed }
        let suspect = others.filter { $0.state == .suspect }
        if crashed.isEmpty && suspect.isEmpty {
            checks.append(API.Check("members", .ok, "\(others.count(where: isPresent)) others are there"))
        }
        if !crashed.isEmpty {
            let isFewer = crashed.count > others.count(where: isPresent) + 1
            let place = isFewer ? "; those gone at once are more than are here: nothing is relocated for them" : ""
            checks.append(
                API.Check(
                    "members", .warn, "crashed: \(names(crashed))\(place)",
                    remedy: "start them, or `roost forget` those that will not return"))
        }
        if !suspect.isEmpty {
            checks.append(
                API.Check(
                    "members", .warn, "suspect: \(names(suspect))", remedy: "`roost members --why NODE` tells why"))
        }
        let unheard = others.filter { isPresent($0) && $0.reach != nil && $0.reach != "direct" }
        if !unheard.isEmpty {
            checks.append(
                API.Check(
                    "udp", .warn, "datagrams do not pass between here and \(names(unheard)); others or TLS reach them",
                    remedy: "let 7667/udp through, both ways"))
        } else if others.contains(where: isPresent) {
            checks.append(API.Check("udp", .ok, "datagrams pass to every member that is there"))
        }
        let own = members.first { $0.name == node }?.version
        let odd = others.filter { isPresent($0) && $0.version != own }
        if !odd.isEmpty {
            let list = Set(odd.map(\.version)).sorted().prefix(4).joined(separator: ", ")
            checks.append(
                API.Check(
                    "versions", .warn, "\(names(odd)): version \(list), not \(own ?? "this one's")",
                    remedy: "upgrade them one after the other; a mixed cluster is for the time of that"))
        }
        return checks
    }

    private static let askedMax = 64
    private static let askedAtOnceMax = 8
    /// Half a round trip of it may be the way of the answer.
    private static let clockWarnMilliseconds: Int64 = 5_000
    private static let clockFailMilliseconds: Int64 = 3_600_000

    private enum Reach: Sendable {
        case answered(name: String, aheadMilliseconds: Int64?)
        case failed(name: String, reason: String)
    }

    /// Calls each over TLS, as the agent would, and compares clocks.
    private func others(_ all: [(name: String?, endpoint: Endpoint)]) async -> [API.Check] {
        guard !all.isEmpty else { return [] }
        let results = await withTaskGroup(of: Reach.self) { tasks in
            var waiting = all.prefix(Self.askedMax)
            var results: [Reach] = []
            func start() {
                guard let (name, endpoint) = waiting.popFirst() else { return }
                tasks.addTask { await reach(name, endpoint) }
            }
            for _ in 0..<Self.askedAtOnceMax { start() }
            while let result = await tasks.next() {
                results.append(result)
                start()
            }
            return results
        }
        var failures: [String] = []
        var clocks: [(name: String, ahead: Int64)] = []
        var answers = 0
        for result in results {
            switch result {
            case .answered(let name, let ahead):
                answers += 1
                if let ahead { clocks.append((name, ahead)) }
            case .failed(let name, let reason): failures.append("\(name): \(reason)")
            }
        }
        failures.sort()
        let text = "\(answers) of \(results.count) answer over TLS"
        var checks = [
            failures.isEmpty
                ? API.Check("tcp", .ok, text)
                : API.Check(
                    "tcp", answers == 0 ? .fail : .warn, "\(text); \(failures.prefix(4).joined(separator: "; "))",
                    remedy: "let 7667/tcp through, and see that an agent runs there")
        ]
        if let worst = clocks.max(by: { $0.ahead.magnitude < $1.ahead.magnitude }) {
            let apart = worst.ahead.magnitude
            let time = HumanUnits.duration(milliseconds: apart)
            let direction = worst.ahead > 0 ? "ahead of" : "behind"
            if apart <= Self.clockWarnMilliseconds {
                checks.append(API.Check("clock", .ok, "within \(time) of theirs"))
            } else {
                checks.append(
                    API.Check(
                        "clock", apart > Self.clockFailMilliseconds ? .fail : .warn,
                        "the clock of \(worst.name) is \(time) \(direction) this host's",
                        remedy: "have both hosts' clocks set (NTP): certificates and the order of writes go by them"))
            }
        }
        return checks
    }

    private func reach(_ name: String?, _ endpoint: Endpoint) async -> Reach {
        let shown = name ?? "\(endpoint)"
        do {
            let client = try AgentClient(
                agents: [.https(endpoint)], certificates: certificates, node: name, connectTimeout: Self.patience,
                timeouts: ClientTimeouts(idle: Self.patience))
            let began = Date().timeIntervalSince1970
            let status = try await client.status()
            let ended = Date().timeIntervalSince1970
            await client.close()
            // It was read between the question and the answer.
            let own = Int64((began + ended) / 2 * 1000)
            let theirs = status.time.flatMap(API.Timestamp.unixMilliseconds)
            return .answered(name: status.node, aheadMilliseconds: theirs.map { $0 - own })
        } catch {
            return .failed(name: shown, reason: "\(error)")
        }
    }
}
