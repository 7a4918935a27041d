import Client
import Gossip
import Logging
import NIOConcurrencyHelpers
import Node
import SWIM
import Vocabulary

/// Carries the rotation of the cluster's keys on (`KeyRotation` decides), and sees to it that keys and revocations reach
/// everybody while they are news.
///
/// The node that began it and the first three members by name tell the others; each goes on by itself when its time is
/// up. So it costs four calls a member at most, and no node's end stops it.
struct KeyService: Sendable {
    let core: AgentCore
    let members: MembersService
    private let teller = Announcer()
    private let state = NIOLockedValueBox(State())

    init(core: AgentCore, members: MembersService) {
        self.core = core
        self.members = members
    }

    private struct State {
        /// The newest key that this node made in this life.
        var made: KeyMark?
        /// When it last made one because nodes were revoked.
        var madeForRevoked: Instant?
        /// How many certificates were revoked when that was last looked at, and when there was one more.
        var revoked = 0
        var revokedAt: Instant?
    }

    private static let interval = Duration.seconds(1)
    /// Members, first by name, that tell the others besides the one that began.
    private static let tellersMax = 3
    /// Between two keys that are made for revocations: many revoked in a row are one occasion.
    private static let madeForRevokedEvery = Duration.seconds(5)
    /// How long those who have not heard of a revocation are called again for it: past this, the regular exchanges do.
    private static let revocationToldFor = Duration.seconds(60)

    func run() async {
        while !Task.isCancelled {
            do { try await Task.sleep(for: Self.interval) } catch { return }
            await step()
        }
    }

    /// Makes a new key at an admin's word.
    ///
    /// - Returns: `nil` while this node has no key at all.
    func begin() async throws -> (key: ClusterKey, isNew: Bool)? {
        try await make(joining: true)
    }

    private func make(joining: Bool) async throws -> (key: ClusterKey, isNew: Bool)? {
        guard
            let begun = try await core.keys.begin(revocations: core.revoked.nodesIfAny.count, joining: joining)
        else { return nil }
        guard begun.isNew else { return begun }
        state.withLockedValue { $0.made = begun.key.mark }
        core.log.notice("a new cluster key is handed to the members", metadata: ["key": "\(begun.key.shownID)"])
        members.tellEveryoneSoon()
        return begun
    }

    private func step() async {
        guard let rotation = core.keys.rotation, !core.driver.read({ $0.isJoining }) else { return }
        let isRevocationNews = noteRevocations()
        let mayBeDue = isDue(rotation.ring)
        guard !rotation.isCalm || isRevocationNews || mayBeDue else { return }
        let others = members.others
        core.keyHolders.keep(Set(others.map(\.name)))
        let isTeller = others.count { $0.name < core.name } < Self.tellersMax
        if mayBeDue, !others.contains(where: { $0.name < core.name }) { await makeForRevoked() }
        if let (before, now) = await core.keys.step(others.map { core.keyHolders.known($0.name)?.keys ?? .init() }) {
            say(before, now)
        }
        guard isTeller || state.withLockedValue({ $0.made != nil && $0.made == core.keys.current?.keys.first?.mark })
        else { return }
        if !behind(revocations: isRevocationNews).isEmpty {
            teller.tell { await members.tell(behind(revocations: isRevocationNews)) }
        }
    }

    /// Those present who lack what they must know soon.
    private func behind(revocations: Bool) -> [Member] {
        guard let rotation = core.keys.rotation else { return [] }
        let revoked = core.revoked.count
        return members.others.filter { member in
            let known = core.keyHolders.known(member.name)
            return rotation.isBehind(known?.keys ?? .init()) || revocations && (known?.revoked ?? 0) < revoked
        }
    }

    // MARK: Revocations

    private func noteRevocations() -> Bool {
        let count = core.revoked.count
        let now = NodeDriver.now
        return state.withLockedValue { state in
            if count != state.revoked {
                state.revoked = count
                state.revokedAt = now
            }
            return state.revokedAt.map { now - $0 < Self.revocationToldFor } ?? false
        }
    }

    /// A revoked node has the keys from before. Each key says how many were revoked when it was made, so that whoever is
    /// first among the members finds out, also after the end of the one that was asked, and after a partition in which
    /// each side revoked another.
    private func isDue(_ ring: Keyring) -> Bool {
        guard let newest = ring.keys.first, !core.revoked.isFull else { return false }
        return newest.revocations != core.revoked.nodesIfAny.count
    }

    private func makeForRevoked() async {
        let now = NodeDriver.now
        let isTime = state.withLockedValue { state in
            if let last = state.madeForRevoked, now - last < Self.madeForRevokedEvery { return false }
            state.madeForRevoked = now
            return true
        }
        guard isTime else { return }
        do {
            _ = try await make(joining: false)
        } catch {
            core.log.error("could not make a cluster key", metadata: ["error": "\(error)"])
        }
    }

    private func say(_ before: Keyring, _ now: Keyring) {
        if let primary = now.primary, primary != before.primary {
            core.log.notice("a new cluster key seals the gossip", metadata: ["key": "\(primary.shownID)"])
        }
        let gone = before.keys.filter { !now.keys.contains($0) }
        if !gone.isEmpty {
            core.log.notice(
                "cluster keys are retired: what they seal is refused",
                metadata: ["keys": "\(gone.map(\.shownID).joined(separator: ","))"])
        }
    }

    // MARK: Looking in

    /// Whoever looks waits for so long at most.
    private static let askedFor = Duration.seconds(3)

    /// `GET /v1/keys`
    func overview() async -> API.Keys {
        // While keys are rotated the members are asked all the time; in a calm cluster those who were not heard of in this
        // life are asked now, for the answer.
        if let calm = core.keys.rotation, calm.isCalm {
            let present = KeyRotation.Holder(calm.ring)
            let unknown = members.others.filter { core.keyHolders.known($0.name)?.keys != present }
            await members.compare(with: unknown, within: Self.askedFor)
        }
        guard let rotation = core.keys.rotation else { return API.Keys(keys: [], members: 1) }
        let others = members.others.map { core.keyHolders.known($0.name)?.keys ?? .init() }
        let now = NodeDriver.now
        let retiring = rotation.retiring(at: now, core.keys.settings).map { UInt64(clamping: Int64($0.milliseconds)) }
        let primary = rotation.ring.primary
        let coming = rotation.ring.coming
        let wall = WallClock.milliseconds
        let keys = rotation.ring.keys.map { key in
            let state: API.Keys.State =
                key == primary ? .sealing : coming.contains(key) ? .spreading : .opening
            let holders = others.count { holder in holder.newest.map { $0 >= key.mark } ?? false }
            let users = others.count { holder in holder.inUse.map { $0 >= key.mark } ?? false }
            return API.Keys.Key(
                id: key.shownID, created: API.Timestamp.text(unixMilliseconds: key.createdAt), primary: key == primary,
                state: state, ageMilliseconds: wall > key.createdAt ? wall - key.createdAt : 0,
                members: state == .opening ? nil : 1 + (state == .sealing ? users : holders),
                retiresInMilliseconds: state == .opening ? retiring : nil)
        }
        return API.Keys(keys: keys, members: 1 + others.count, rotating: !rotation.isCalm)
    }
}
