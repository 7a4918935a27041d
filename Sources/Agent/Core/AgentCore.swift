import Client
import Gossip
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Node
import Relocation
import SWIM
import Storage
import TLS
import Vocabulary

/// What the parts of one running agent share. Each of them is safe to use from any task.
final class AgentCore: Sendable {
    let settings: AgentSettings
    let name: NodeName
    let cluster: ClusterName
    let credentials: CurrentCredentials
    let driver: NodeDriver
    let store: Store
    let peers: PeersTable
    let calls: PeerCalls
    let puller: Puller
    let repairs: BlobRepairs
    let scrub: ScrubService
    let partChecks: PartChecks
    let gossip: GossipPort
    let keys: KeyKeeper
    let keyHolders = KeyHolders()
    let revoked: RevocationList
    let certificates: CertificateBook
    let signer: ClaimSigner
    let claims: ClaimGate
    let tags: TagsBook
    let tagsFetcher: TagsFetcher
    let events: EventLog
    let traffic: Traffic
    let moveRate = MoveRate()
    let throttle: MoveThrottle
    let intake = Intake()
    /// Whom this node has met, as it is kept on the disk (`TombstoneService`).
    let acquaintances: LatestSaver
    let tlsFailures: TLSFailures
    let handshakes: Handshakes
    /// Those of the API's server.
    let connections: ConnectionTable
    let log: Logger
    let startedAt = NIODeadline.now()
    /// Writes that were passed on to other nodes.
    let orders: NIOLockedValueBox<WriteOrders>
    /// Resources that other members said they hold, when they last said so.
    let holds = NIOLockedValueBox<[NodeName: Int]>([:])

    init(
        settings: AgentSettings, name: NodeName, cluster: ClusterName, credentials: CurrentCredentials,
        driver: NodeDriver, store: Store, peers: PeersTable, gossip: GossipPort, keys: KeyKeeper,
        revoked: RevocationList, certificates: CertificateBook, tags: TagsBook, signer: ClaimSigner,
        events: EventLog, server: APIServer, group: any EventLoopGroup, log: Logger
    ) {
        self.settings = settings
        orders = NIOLockedValueBox(WriteOrders(epoch: driver.read { $0.identity.epoch }))
        self.name = name
        self.cluster = cluster
        self.credentials = credentials
        self.driver = driver
        self.store = store
        self.peers = peers
        self.gossip = gossip
        self.keys = keys
        self.revoked = revoked
        self.certificates = certificates
        self.signer = signer
        self.events = events
        tlsFailures = server.failures
        handshakes = server.handshakes
        connections = server.table
        self.log = log
        acquaintances = LatestSaver(
            "names of all members ever met", log: log,
            value: { try API.JSON.encode(driver.read { $0.tombstones.acquaintances }) },
            write: { [store] in try await store.save($0, for: TombstoneService.storageKey) })
        traffic = Traffic()
        let calls = PeerCalls(me: name, driver: driver, peers: peers)
        self.calls = calls
        claims = ClaimGate(
            driver: driver, verifier: ClaimVerifier(me: name, cluster: cluster, book: certificates, log: log),
            conflicts: NameConflicts(
                me: name, driver: driver, credentials: credentials, book: certificates, events: events, log: log,
                group: group),
            fetcher: CertificateFetcher(book: certificates, log: log) { names, node, source in
                // One that is not known as a member yet is asked where its word came from; TLS shows whether it is it.
                let known = try? calls.endpoint(of: node)
                guard let endpoint = known ?? source else { throw PeerCallError.unknown(node) }
                return try await calls.certificates(of: names, from: node, at: endpoint)
            },
            probe: { node, endpoint, claims in
                guard !revoked.contains(node: node) else { return [] }
                let answer = try await calls.probe(
                    MemberProbe(node: name, claims: signer.signed(claims)), of: node, at: endpoint)
                return revoked.admitted(answer.claims)
            })
        self.tags = tags
        tagsFetcher = TagsFetcher(
            book: tags, peersMax: settings.peersMax, log: log,
            TagsFetcher.Surroundings(
                look: { driver.read { TagsFetcher.View($0.membership, knownIn: tags) } },
                connected: { await peers.snapshot.map(\.name) },
                ask: { wanted, node in try await calls.tags(wanted, from: node) },
                told: { names, digest in
                    guard let known = tags.tags(digest) else { return }
                    for name in names {
                        guard let member = driver.read({ $0.membership.member(name) }),
                            member.metadata.tags == digest
                        else { continue }
                        events.tagsKnown(known, of: member)
                    }
                }))
        throttle = MoveThrottle(streams: settings.relocation.streams)
        let puller = Puller(store: store, calls: calls, traffic: traffic, rate: moveRate, throttle: throttle)
        self.puller = puller
        let repairs = BlobRepairs(name: name, store: store, puller: puller, driver: driver, events: events, log: log)
        self.repairs = repairs
        scrub = ScrubService(settings: settings.scrub, store: store, repairs: repairs, log: log)
        partChecks = PartChecks(store: store, repairs: repairs)
    }

    var endpoint: Endpoint { driver.read { $0.membership.oneself.endpoint } }
}
