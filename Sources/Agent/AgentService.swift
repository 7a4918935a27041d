import Gossip
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Node
import Relocation
import Resources
import SWIM
import Storage
import TLS
import UnixSignals
import Vocabulary

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// One agent from start to end: puts the rooms of this target together, runs them, and takes them apart in order
/// (DESIGN §8: starting → joining → syncing → serving → draining → left).
public struct AgentService: Sendable {
    let core: AgentCore
    let members: MembersService
    let keys: KeyService
    let certificates: CertificateService
    let authority: AuthorityService?
    let wayIn: JoinLoop
    let server: APIServer
    let leaving: LeaveService
    let stopped: StopSignal
    let ending: EndingBox
    let notifier: SystemdNotifier
    let group: any EventLoopGroup
    /// The settings as they are now, for a reload.
    let readSettings: ReadSettings?

    public typealias ReadSettings = @Sendable () throws -> AgentSettings
    /// Why a new start would fail, as far as that can be told before this one ends; `nil` when nothing is known against it.
    public typealias RefusalToStart = @Sendable () async -> String?

    /// Runs an agent until it is told to stop, or has left.
    ///
    /// - Parameters:
    ///   - version: what `members` shows of this build.
    ///   - refusalToStart: asked before an announced restart.
    ///   - readSettings: reads the settings again, at a reload.
    /// - Returns: whether the process should end or start again.
    /// - Throws: `StartError` when it can not start; then nothing was changed.
    public static func run(
        settings: AgentSettings, version: String, refusalToStart: RefusalToStart? = nil,
        readSettings: ReadSettings? = nil
    ) async throws -> AgentEnding {
        let environment = ProcessInfo.processInfo.environment
        let journal = Journal(environment: environment)
        let log = Logger(label: "roost") { _ in
            LineLogHandler(format: settings.log.format, level: settings.log.level, journal: journal)
        }
        let backoff = StartBackoff(environment: environment)
        try await backoff?.wait(log)
        let service: AgentService
        do {
            service = try await start(
                settings, version: version, log: log, refusalToStart: refusalToStart, readSettings: readSettings)
        } catch {
            throw StartError(error)
        }
        let lasting = Task {
            try await Task.sleep(for: StartBackoff.lastsFrom)
            backoff?.end()
        }
        await service.run()
        lasting.cancel()
        backoff?.end()
        return service.ending.ending
    }

    // MARK: Starting

    /// Looks at what every start looks at first: the settings and the certificates. Opens nothing, and changes nothing.
    ///
    /// - Throws: `StartError`, as a start would.
    public static func check(_ settings: AgentSettings) throws -> (name: NodeName, cluster: ClusterName) {
        do {
            let (_, name, cluster) = try identity(settings)
            return (name, cluster)
        } catch { throw StartError(error) }
    }

    static func start(
        _ settings: AgentSettings, version: String, log: Logger, pace: JoinLoop.Pace = JoinLoop.Pace(),
        flood: FloodMeter.Bounds = .init(), refusalToStart: RefusalToStart? = nil,
        readSettings: ReadSettings? = nil
    ) async throws -> AgentService {
        let group = MultiThreadedEventLoopGroup.singleton
        let (credentials, name, cluster) = try identity(settings)
        let context = CurrentCredentials(try TLSContext(credentials: credentials))
        let store = try await Store.open(folder: settings.dataFolder, cluster: cluster, node: name)
        do {
            return try await start(
                settings, version: version, log: log, group: group, name: name, cluster: cluster, credentials: context,
                store: store, pace: pace, flood: flood, refusalToStart: refusalToStart, readSettings: readSettings)
        } catch {
            await store.shutdown()
            throw error
        }
    }

    /// What the certificate says counts; settings that say otherwise are a mistake to be told.
    private static func identity(_ settings: AgentSettings) throws -> (Credentials, NodeName, ClusterName) {
        let credentials = try OwnCertificates(settings).current()
        let certificate = credentials.name
        guard certificate.role == .node else {
            throw StartError.configuration(
                "the certificate in \(settings.certificatesFolder) is for \(certificate), not for a node",
                hint: "issue one with: roost ca issue DIR --node NAME --out \(settings.certificatesFolder)")
        }
        if let name = settings.name, name != certificate.name {
            throw StartError.configuration(
                "name is \(name), but the certificate in \(settings.certificatesFolder) says \(certificate.name)",
                hint: "remove name from the configuration, or use that node's certificate")
        }
        if let cluster = settings.cluster, cluster != certificate.cluster {
            throw StartError.configuration(
                "cluster is \(cluster), but the certificate in \(settings.certificatesFolder) says \(certificate.cluster)",
                hint: "remove cluster from the configuration, or use that cluster's certificate")
        }
        // A key that can not sign would be found out by nobody believing this node.
        _ = try credentials.sign([])
        return (credentials, certificate.name, certificate.cluster)
    }

    private static func start(
        _ settings: AgentSettings, version: String, log: Logger, group: any EventLoopGroup, name: NodeName,
        cluster: ClusterName, credentials: CurrentCredentials, store: Store, pace: JoinLoop.Pace,
        flood: FloodMeter.Bounds, refusalToStart: RefusalToStart?, readSettings: ReadSettings?
    ) async throws -> AgentService {
        let box = CoreBox()
        let revoked = try await RevocationList(store: store, cluster: cluster, log: log)
        let router = APIRouter.make { caller in
            guard case .certificate(let identity) = caller else { return false }
            return revoked.contains(identity.name)
        }
        ResourceRoutes(box: box).add(to: router)
        CatalogueRoutes(box: box).add(to: router)
        PlanRoutes(box: box).add(to: router)
        PeerRoutes(box: box).add(to: router)
        MembershipRoutes(box: box).add(to: router)
        KeyRoutes(box: box).add(to: router)
        StatusRoutes(box: box, version: version).add(to: router)
        EventRoutes(box: box).add(to: router)
        MetricsRoutes(box: box, version: version).add(to: router)
        ScrubRoutes(box: box).add(to: router)
        let enrolment = settings.authorityFolder.map {
            EnrolmentDesk(folder: $0, box: box, revoked: revoked, log: log)
        }
        InvitationRoutes(box: box, desk: enrolment).add(to: router)
        CertificateRoutes(box: box, desk: enrolment).add(to: router)
        AuthorityRoutes(box: box).add(to: router)

        var peerSettings = PeersTable.Settings(peersMax: settings.peersMax)
        peerSettings.isRevoked = { revoked.contains(node: $0) }
        let peers = PeersTable(settings: peerSettings, credentials: credentials, group: group)
        var listeners = APIServer.Listeners(
            tls: (settings.bind, credentials), unixSocket: settings.socketPath, loopbackHTTP: settings.httpBind)
        listeners.enrolment = enrolment
        let server = try await APIServer.bind(
            listeners, node: name, router: router, gate: peers, group: group, logger: log)
        let port = server.tlsPort ?? settings.bind.port
        let gate = NIOLockedValueBox<ClaimGate?>(nil)
        let gossip = try await GossipPort.bind(
            Endpoint(host: settings.bind.host, port: port), keyring: Keyring(), flood: flood, group: group,
            logger: log
        ) { packet, source in
            guard let packet = revoked.admitted(packet) else { return }
            gate.withLockedValue { $0 }?.receive(packet, from: source)
        }
        let keys = try await KeyKeeper(store: store, settings: settings.keyRotation, log: log) { gossip.use($0) }

        let endpoint = try AdvertisedEndpoint.of(settings, port: port)
        let events = EventLog()
        let certificates = CertificateBook(me: name, credentials: credentials, log: log)
        try await certificates.load(from: store)
        let tags = TagsBook(own: settings.tags, log: log)
        try await tags.load(from: store)
        let signer = ClaimSigner(me: name, cluster: cluster, credentials: credentials, log: log)
        let machine = NodeMachine(
            NodeMachine.Identity(
                name: name, cluster: cluster, epoch: store.epoch, endpoint: endpoint,
                metadata: try Metadata(
                    zone: settings.zone, weight: settings.weight, version: version, tags: settings.tags.digest)),
            settings: settings.machine, at: NodeDriver.now)
        let driver = NodeDriver(machine, seed: try seed(), eventLoop: group.next()) { effect in
            switch effect {
            case .send(let packet, let to):
                gossip.send(signer.signed(packet), to: to)
                return true
            case .event(let event):
                EventRecorder.record(event, by: name, in: events, log: log)
                tags.heard(event)
                server.handshakes.welcome(event)
                // A host that vanished closes nothing: what waits for its answer would wait for the whole of its time.
                if event.kind == .crashed { Task { await peers.disconnect(event.name) } }
                return true
            case .acknowledge: return true
            case .exchangeMembers, .fallbackProbe, .convergence, .tombstones, .offer: return false
            }
        }
        let core = AgentCore(
            settings: settings, name: name, cluster: cluster, credentials: credentials, driver: driver, store: store,
            peers: peers, gossip: gossip, keys: keys, revoked: revoked, certificates: certificates, tags: tags,
            signer: signer, events: events, server: server, group: group, log: log)
        let notifier = SystemdNotifier(environment: ProcessInfo.processInfo.environment)
        let members = MembersService(
            core: core, group: group, saved: try await SavedMembers(store: store, me: name, log: log))
        let keyService = KeyService(core: core, members: members)
        let life = CertificateService(
            core: core, members: members, renewals: RenewalService(core: core, office: enrolment?.office))
        let authority = enrolment.map { AuthorityService(core: core, office: $0.office, certificates: life) }
        let wayIn = JoinLoop(core: core, members: members, notifier: notifier, pace: pace)
        // Before the first datagram or request comes through: a member met earlier than this would not count as one to be
        // heard first, and old copies would be vouched for.
        driver.feed(.convergence(.loaded(try await store.groups())))
        await core.repairs.recall()
        try await TombstoneService(core: core).recall(besides: members.saved.unmet.map(\.name))
        if wayIn.hasAddresses { driver.feed(.lifecycle(.joining)) }
        gate.withLockedValue { $0 = core.claims }
        let leaving = LeaveService(core: core)
        let stopped = StopSignal()
        let ending = EndingBox()
        box.fill(
            CoreBox.Parts(
                core: core, members: members, keys: keyService, certificates: life, authority: authority,
                writes: WriteService(core: core),
                catalogue: CatalogueService(core: core), leave: leaving,
                restart: RestartService(
                    core: core, members: members, notifier: notifier, refusalToStart: refusalToStart),
                stop: {
                    ending.decide($0)
                    _ = stopped.signal()
                }))
        log.notice(
            "roost \(version) started",
            metadata: [
                "node": "\(name)", "cluster": "\(cluster)", "address": "\(endpoint)", "data": "\(settings.dataFolder)",
                "resources": "\(driver.read { $0.convergence.totals.held })",
            ])
        return AgentService(
            core: core, members: members, keys: keyService, certificates: life, authority: authority, wayIn: wayIn,
            server: server, leaving: leaving, stopped: stopped, ending: ending, notifier: notifier, group: group,
            readSettings: readSettings)
    }

    /// For the order of probes and jitter; keys and nonces come from OpenSSL.
    private static func seed() throws -> UInt64 {
        try SecureRandom.bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    // MARK: Running

    /// - Parameter obeysSignals: false where the process is not the agent's own.
    func run(obeysSignals: Bool = true) async {
        await withDiscardingTaskGroup { tasks in
            tasks.addTask { await EffectRunner(core: core, members: members).run() }
            tasks.addTask { await serve() }
            tasks.addTask { await wayIn.run(settled: ready) }
            tasks.addTask { await rememberMembers() }
            tasks.addTask { await keys.run() }
            tasks.addTask { await certificates.run() }
            if let authority { tasks.addTask { await authority.run() } }
            tasks.addTask { await core.tagsFetcher.run() }
            tasks.addTask { await core.repairs.run() }
            tasks.addTask { await core.scrub.run() }
            if obeysSignals { tasks.addTask { await obeySignals() } }
            tasks.addTask { await feedWatchdog() }
            tasks.addTask { await tellStatus() }
            await stopped.wait()
            notifier.stopping(ending.ending == .stopped ? "stopping" : "restarting")
            core.driver.stop()
            // What is under way ends now: neither a body in the middle nor a follower of the events delays the stop.
            await core.peers.closeAll()
            await core.puller.stop()
            core.events.finish()
            server.stop()
            tasks.cancelAll()
        }
        await members.save()
        await core.certificates.save(to: core.store)
        await core.tags.save(to: core.store)
        await core.gossip.close()
        await core.store.shutdown()
        core.log.notice("stopped", metadata: ["node": "\(core.name)"])
    }

    private func serve() async {
        do {
            try await server.run()
        } catch {
            core.log.error("the API server ended", metadata: ["error": "\(error)"])
        }
        _ = stopped.signal()
    }

    @Sendable private func ready() {
        let line = core.driver.read { StatusLine($0) }
        notifier.ready(line.text)
        core.log.notice("ready", metadata: ["members": "\(line.alive)"])
    }

    /// A connection to a peer that was of no use for so long is closed: the next question pays a handshake for it.
    private static let peerIdleMax = Duration.seconds(240)
    /// 15 s: the ends of 60 connections cost no more bytes a second than half a probe.
    private static let roundsBetweenClosings = 3

    /// What the next start should know, written down when it changed; and peers that nobody asks are let go.
    private func rememberMembers() async {
        var known: [Claim] = []
        var rounds = 0
        while !Task.isCancelled {
            do { try await Task.sleep(for: .seconds(5)) } catch { return }
            rounds &+= 1
            if rounds % Self.roundsBetweenClosings == 0 { await core.peers.closeIdlest(unusedFor: Self.peerIdleMax) }
            // Not every change is an event: of a zone that went as a whole, only the zone's is told.
            let now = core.driver.read { $0.membership.remembered }
            if now != known {
                lookAfterTags()
                if await members.save() { known = now }
            }
            await core.certificates.save(to: core.store)
            await core.tags.save(to: core.store)
        }
    }

    /// Drops what no member has any more, those remembered of earlier lives included; and has those fetched that no event
    /// told of.
    private func lookAfterTags() {
        let claims = core.driver.read { $0.membership.claims } + members.saved.unmet
        core.tags.keep(Set(claims.compactMap(\.metadata.tags)))
        core.tags.lookAgain()
    }

    /// SIGTERM and SIGINT drain and leave (a second one stops at once); SIGHUP reads again what can change meanwhile.
    private func obeySignals() async {
        var asked = 0
        for await signal in await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup) {
            if signal == .sighup {
                reload()
                continue
            }
            asked += 1
            guard asked == 1, core.settings.leave.onStop else {
                _ = stopped.signal()
                continue
            }
            notifier.stopping("draining")
            notifier.extendTimeout(by: core.settings.leave.timeout + .seconds(10))
            Task {
                _ = await leaving.leave(now: false, timeout: core.settings.leave.timeout)
                _ = stopped.signal()
            }
        }
    }
}

extension AgentSettings {
    /// What of it the pure node wants to know.
    var machine: NodeMachine.Settings {
        var machine = NodeMachine.Settings()
        machine.replicas = replicas
        machine.relocationDelay = relocation.delay
        machine.relocationDelayMax = relocation.delayMax
        machine.tombstones = TombstoneCollection.Settings(keep: tombstone.keep)
        machine.convergence.pullsActiveMax = relocation.streams
        machine.membership.probeInterval = swim.probeInterval
        machine.membership.probeTimeout = swim.probeTimeout
        machine.membership.suspicionMultiplier = swim.suspicionMultiplier
        machine.membership.pushPullInterval = swim.pushPullInterval
        // A datagram has at most one claim of this node itself, which is signed on its way out.
        machine.membership.packetBytesMax = Packet.wireSizeMax - ClaimSignature.bytesMax
        return machine
    }

    var keyRotation: KeyRotation.Settings {
        var rotation = KeyRotation.Settings()
        rotation.wait = keys.wait
        rotation.overlap = keys.overlap
        return rotation
    }
}
