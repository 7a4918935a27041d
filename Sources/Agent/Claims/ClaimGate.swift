import Node
import SWIM
import Vocabulary

/// Between what arrives and the membership: lets in the claims that `ClaimVerifier` stands for, asks for the certificates
/// of those that it can not judge yet, and has contested names settled first. The rest of a datagram goes on without
/// what was not let in, so that an answer to a probe is an answer, whatever its sender tells besides.
final class ClaimGate: Sendable {
    typealias Ask = @Sendable ([NodeName]) async throws -> [CertificateChain]
    /// Tells a member over TLS what is said of it, and has its answer.
    typealias Probe = @Sendable (_ node: NodeName, _ endpoint: Endpoint, _ claims: [Claim]) async throws -> [Claim]

    let verifier: ClaimVerifier
    let conflicts: NameConflicts
    private let driver: NodeDriver
    private let fetcher: CertificateFetcher
    private let suspects = SuspectCalls()
    private let probe: Probe

    init(
        driver: NodeDriver, verifier: ClaimVerifier, conflicts: NameConflicts, fetcher: CertificateFetcher,
        probe: @escaping Probe
    ) {
        self.probe = probe
        self.driver = driver
        self.verifier = verifier
        self.conflicts = conflicts
        self.fetcher = fetcher
    }

    /// This node has come in by that one.
    func hasJoined(through node: NodeName) { fetcher.prefer(node) }

    // MARK: Datagrams

    /// A datagram that authenticated, from a node that is not revoked. Called on the loop of the gossip port.
    func receive(_ packet: Packet, from source: Endpoint) {
        guard !packet.claims.isEmpty else { return driver.feed(.membership(.packet(packet, from: source))) }
        let judgement = judge(packet.claims, from: packet.from, isProven: false)
        driver.feed(.membership(.packet(packet.telling(judgement.admitted), from: source)))
        askLater(for: judgement.unknown, from: packet.from, at: source)
        for claim in judgement.contested { settle(claim, toldBy: packet.from, at: source) }
        for suspect in judgement.unheard { suspects.call(suspect) { [weak self] in await self?.hear(suspect) } }
    }

    /// Has a suspect's own word over TLS, where its datagrams are not listened to for now.
    private func hear(_ suspect: NodeName) async {
        guard let held = driver.read({ $0.membership.member(suspect) }), held.status == .suspect,
            let answer = try? await probe(suspect, held.endpoint, [held.claim])
        else { return }
        driver.feed(.membership(.merge(await admitted(answer, from: suspect, asking: nil), from: suspect)))
    }

    private func judge(_ claims: [Claim], from teller: NodeName, isProven: Bool) -> ClaimVerifier.Judgement {
        let known = driver.read { machine in
            var known: [NodeName: Claim] = [:]
            for claim in claims where known[claim.name] == nil {
                known[claim.name] = machine.membership.member(claim.name)?.claim
            }
            return known
        }
        return verifier.judge(claims, from: teller, isProven: isProven, known: known)
    }

    private func askLater(for unknown: [Claim], from teller: NodeName, at source: Endpoint) {
        // Another host of this node's name is not to be reached by that name: it would be this one.
        guard teller != conflicts.me else { return }
        fetcher.add(unknown, from: teller, at: source) { [weak self] claims in self?.hear(claims) }
    }

    /// Those that had to wait: of each teller in one go, so that the ring of the members changes once.
    private func hear(_ waiting: [CertificateFetcher.Waiting]) {
        struct Source: Hashable {
            let teller: NodeName
            let endpoint: Endpoint
        }
        let bySource = Dictionary(grouping: waiting) { Source(teller: $0.teller, endpoint: $0.source) }
        for (source, waiting) in bySource.sorted(by: { $0.key.teller < $1.key.teller }) {
            let judgement = judge(waiting.map(\.claim), from: source.teller, isProven: false)
            feed(judgement.admitted, from: source.teller, at: source.endpoint)
            for claim in judgement.contested { settle(claim, toldBy: source.teller, at: source.endpoint) }
        }
    }

    private func feed(_ claims: [Claim], from teller: NodeName, at source: Endpoint) {
        guard !claims.isEmpty else { return }
        driver.feed(.membership(.packet(Packet(from: teller, message: .gossip, claims: claims), from: source)))
    }

    /// In the background; one question for each life of a name at a time.
    private func settle(_ claim: Claim, toldBy teller: NodeName, at source: Endpoint) {
        switch conflicts.recent(claim) {
        case .free: return feed([claim], from: teller, at: source)
        case .held, .busy: return
        case nil: break
        }
        guard let holder = driver.read({ $0.membership.member(claim.name)?.claim }), conflicts.begins(claim) else {
            return
        }
        Task {
            if case .free = await conflicts.verdict(on: claim, against: holder) {
                feed([claim], from: teller, at: source)
            }
        }
    }

    // MARK: Exchanges

    /// Claims verified in one go; after them others have their turn on this thread.
    private static let turnMax = 128

    /// What of another node's list is to be believed.
    ///
    /// - Parameter ask: asks the same node for certificates; without it they are asked for in the background.
    func admitted(_ claims: [Claim], from teller: NodeName, asking ask: Ask?) async -> [Claim] {
        var admitted: [Claim] = []
        var waiting = claims
        while !waiting.isEmpty {
            var unknown: [Claim] = []
            var rest = waiting[...]
            while !rest.isEmpty {
                let judgement = judge(Array(rest.prefix(Self.turnMax)), from: teller, isProven: true)
                rest = rest.dropFirst(Self.turnMax)
                admitted += judgement.admitted
                unknown += judgement.unknown
                for claim in judgement.contested {
                    if case .free = conflicts.recent(claim) {
                        admitted.append(claim)
                    } else {
                        settle(claim, toldBy: teller, at: claim.endpoint)
                    }
                }
                await Task.yield()
            }
            waiting = await fetch(for: unknown, from: teller, asking: ask)
        }
        return admitted
    }

    /// - Returns: the claims that can be judged now.
    private func fetch(for unknown: [Claim], from teller: NodeName, asking ask: Ask?) async -> [Claim] {
        guard !unknown.isEmpty else { return [] }
        guard let ask else {
            if let endpoint = driver.read({ $0.membership.member(teller)?.endpoint }) {
                askLater(for: unknown, from: teller, at: endpoint)
            }
            return []
        }
        return await fetcher.fetch(for: unknown, asking: ask)
    }
}
