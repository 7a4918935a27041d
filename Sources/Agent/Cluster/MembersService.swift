import Client
import Gossip
import HTTPTypes
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Node
import Relocation
import SWIM
import TLS
import Vocabulary

/// Push and pull of the membership over TLS: in turn with known members, and the way into the cluster.
struct MembersService: Sendable {
    let core: AgentCore
    let group: any EventLoopGroup
    let saved: SavedMembers
    let arrivals = Arrivals()
    let announcer = Announcer()

    init(core: AgentCore, group: any EventLoopGroup, saved: SavedMembers) {
        self.core = core
        self.group = group
        self.saved = saved
    }

    /// What this node tells of the cluster.
    private func ownState(seenAs: String? = nil) async throws -> MembersExchange {
        state(keyring: try await keyring(), seenAs: seenAs)
    }

    /// A node on its way in makes no key, whatever it is asked: the cluster has one. When many start together and each
    /// makes one of its own, all of them travel, each is told to everyone at once, and the newest seals what those who
    /// have not heard of it can not read.
    private func keyring() async throws -> Keyring {
        if core.driver.read({ $0.isJoining }) { return core.keys.current ?? Keyring() }
        return try await core.keys.createIfNeeded(revocations: core.revoked.nodesIfAny.count)
    }

    func state(keyring: Keyring, seenAs: String? = nil) -> MembersExchange {
        let (claims, held, isJoining, absences) = core.driver.read {
            ($0.membership.claims, $0.convergence.totals.held, $0.isJoining, $0.absences(at: NodeDriver.now))
        }
        return MembersExchange(
            node: core.name, claims: core.signer.signed(claims), keyring: keyring, revoked: core.revoked.all,
            holds: held, seenAs: seenAs, joining: isJoining,
            remembered: isJoining ? arrivals.remembered.union(saved.atStart).sorted() : nil,
            certificates: [core.certificates.own], keeping: MembersExchange.milliseconds(absences.keeping),
            lost: absences.lost.isEmpty ? nil : absences.lost.sorted(),
            losses: absences.losses.isEmpty ? nil : absences.losses.map { ToldLoss($0) })
    }

    /// Exchanges with a member whose turn it is. A failure needs no more than a word in the log: the next turn comes.
    ///
    /// - Parameter asksFirst: whether there is anything to exchange; not where this node knows that there is.
    /// - Returns: whether it answered.
    @discardableResult
    func exchange(with node: NodeName, at endpoint: Endpoint, asksFirst: Bool = true) async -> Bool {
        do {
            guard !core.revoked.contains(node: node) else { throw JoinError.revoked(node) }
            if asksFirst, try await agrees(with: node, at: endpoint) { return true }
            let theirs = try await core.calls.members(ownState(), with: node, at: endpoint)
            await learn(theirs, from: node) { names in
                try await core.calls.certificates(of: names, from: node, at: endpoint)
            }
            learnOwnAddress(theirs.seenAs)
            return true
        } catch {
            if case PeerCallError.refused(_, _, 409, let body) = error, body.error.code == JoinError.nameInUseCode {
                core.claims.conflicts.wasRefused(by: node, body.error.message)
            }
            core.log.debug("no exchange of members", metadata: ["with": "\(node)", "error": "\(error)"])
            return false
        }
    }

    /// Asks whether there is anything to exchange. In a calm cluster there is not, and the whole list of members with their
    /// signatures would be most of all that is sent.
    private func agrees(with node: NodeName, at endpoint: Endpoint) async throws -> Bool {
        let mine = try await ownDigest()
        let theirs = try await core.calls.digest(mine, with: node, at: endpoint)
        core.holds.withLockedValue { $0[node] = theirs.holds }
        let agrees = theirs.digest == mine.digest
        if agrees { noteAgreement(with: node) }
        return agrees
    }

    func answer(_ theirs: MembersDigest, from node: NodeName) async throws -> MembersDigest {
        core.holds.withLockedValue { $0[node] = theirs.holds }
        let mine = try await ownDigest()
        if theirs.digest == mine.digest { noteAgreement(with: node) }
        return mine
    }

    /// What is known here is known there.
    private func noteAgreement(with node: NodeName) {
        core.driver.feed(.membership(.agreed))
        if let ring = core.keys.current { core.keyHolders.heard(node, ring, revoked: core.revoked.count) }
    }

    private func ownDigest() async throws -> MembersDigest {
        let keyring = try await keyring()
        let (claims, held) = core.driver.read { ($0.membership.claims, $0.convergence.totals.held) }
        return MembersDigest(
            node: core.name, holds: held, claims: claims, keyring: keyring, revoked: core.revoked.all)
    }

    /// Answers another node's exchange.
    ///
    /// - Throws: 409 when its name is another live node's, and when it is not believed who it says it is.
    func answer(_ theirs: MembersExchange, from node: NodeName, at address: String) async throws -> MembersExchange {
        core.certificates.learn(theirs.certificates ?? [])
        try await core.claims.conflicts.admit(node, claims: theirs.claims)
        defer { noteArrival(theirs, of: node) }
        let believed = await learn(theirs, from: node, asking: nil)
        if theirs.claims.contains(where: { $0.name == node }), !believed.contains(where: { $0.name == node }),
            core.driver.read({ $0.membership.member(node) }) == nil
        {
            // It would take itself for a member, and nobody else would.
            throw APIError(
                .conflict, code: "not_believed", "what \(node) says of itself is not believed by \(core.name)",
                hint: "compare the clocks of both hosts; the log of \(core.name) tells why")
        }
        return try await ownState(seenAs: address)
    }

    /// Only while it matters: nobody asks a node that is in for the others' way in.
    private func noteArrival(_ theirs: MembersExchange, of node: NodeName) {
        guard core.driver.read({ $0.isJoining }), core.driver.read({ $0.membership.member(node) }) != nil else {
            return
        }
        arrivals.heard(node, isJoining: theirs.joining == true, remembering: theirs.remembered ?? [])
    }

    /// - Returns: what of it is believed.
    @discardableResult
    private func learn(
        _ theirs: MembersExchange, from node: NodeName, asking ask: ClaimGate.Ask?
    ) async -> [Claim] {
        let news = await take(theirs, from: node)
        let claims = await core.claims.admitted(core.revoked.admitted(theirs.claims), from: node, asking: ask)
        core.driver.feed(.membership(.merge(claims, from: node)))
        if news { tellEveryoneSoon() }
        return claims
    }

    /// - Returns: whether there was anything that everyone must be told at once.
    func take(_ theirs: MembersExchange, from node: NodeName) async -> Bool {
        core.holds.withLockedValue { $0[node] = theirs.holds }
        core.certificates.learn(theirs.certificates ?? [])
        // Before the keys: a key that was made because of a revocation must not be here a moment before it, to be asked for
        // by the one that was revoked.
        let newRevocations = await addRevocations(theirs.revoked)
        core.keyHolders.heard(node, theirs.keyring, revoked: theirs.revoked.count)
        // A node's first keys are news to nobody else: those who have them gave them. A key that nobody seals with yet can
        // wait for those who hand it on (`KeyService`).
        let hadKeys = core.keys.current != nil
        let newKeys = await core.keys.merge(theirs.keyring)
        return hadKeys && newKeys || newRevocations
    }

    // MARK: Revoking

    /// Takes the rights from certificates' names, here and, in the background, everywhere.
    func revoke(_ uris: [String]) async {
        if await addRevocations(uris) { tellEveryoneSoon() }
    }

    /// A revoked node is gone for membership at once: it owns nothing, and nobody calls it. What its holder has open here
    /// is cut, whatever is under way on it.
    func addRevocations(_ uris: [String]) async -> Bool {
        let revoked = core.revoked
        let isNew = await revoked.add(uris) { [core] in
            let cut = core.connections.cut { revoked.contains($0.name) }
            for node in revoked.nodesIfAny.sorted() {
                core.driver.feed(.membership(.expel(node)))
                Task { await core.peers.disconnect(node) }
            }
            core.log.notice(
                "certificates are revoked",
                metadata: ["revoked": "\(revoked.count)", "connections_cut": "\(cut)"])
        }
        return isNew
    }

    // MARK: Disk

    /// The members known now, for the next start.
    ///
    /// - Returns: whether they are on the disk.
    @discardableResult
    func save() async -> Bool {
        do {
            try await saved.save(core.driver.read { $0.membership.remembered })
        } catch {
            core.log.warning("could not save the members", metadata: ["error": "\(error)"])
            return false
        }
        return true
    }
}
