/// How one node is doing: `GET /v1/status`.
extension API {
    public struct Status: Codable, Hashable, Sendable {
        public var node: String
        public var cluster: String
        public var phase: Phase
        /// Nothing is under-replicated, misplaced or queued as this node knows.
        public var converged: Bool
        public var version: String
        /// `host:port` that the others reach it at.
        public var address: String
        public var uptimeMilliseconds: UInt64
        public var members: MemberCounts
        public var resources: ResourceCounts
        public var moves: MoveCounts
        public var certificate: CertificateStatus
        public var data: DataStatus
        public var replicas: Int?
        /// Nil of an agent that is older.
        public var scrub: ScrubStatus?
        /// This boot of the agent: greater after every start. Nil of an agent that is older.
        public var epoch: UInt64?
        public var process: ProcessStatus?
        /// RFC 3339: what the agent's host takes for the time.
        public var time: String?
        /// Members that have no room for what they are to own, as far as this node holds it; sorted by node. Nil of an
        /// agent that is older.
        public var withoutRoom: [NoRoom]?
        /// Members that are away, and without whose word deleted names that are due can not be forgotten; sorted. Nil of an agent
        /// that is older.
        public var deletedWaitFor: [String]?
        /// What a node that is draining has still to hand over; nil of any other, and of an agent that is older.
        public var handover: Handover?

        public init(
            node: String, cluster: String, phase: Phase, converged: Bool, version: String, address: String,
            uptimeMilliseconds: UInt64, members: MemberCounts, resources: ResourceCounts, moves: MoveCounts,
            certificate: CertificateStatus, data: DataStatus, replicas: Int? = nil,
            scrub: ScrubStatus? = nil, epoch: UInt64? = nil, process: ProcessStatus? = nil, time: String? = nil,
            withoutRoom: [NoRoom]? = nil, deletedWaitFor: [String]? = nil, handover: Handover? = nil
        ) {
            self.node = node
            self.cluster = cluster
            self.phase = phase
            self.converged = converged
            self.version = version
            self.address = address
            self.uptimeMilliseconds = uptimeMilliseconds
            self.members = members
            self.resources = resources
            self.moves = moves
            self.certificate = certificate
            self.data = data
            self.replicas = replicas
            self.scrub = scrub
            self.epoch = epoch
            self.process = process
            self.time = time
            self.withoutRoom = withoutRoom
            self.deletedWaitFor = deletedWaitFor
            self.handover = handover
        }

        enum CodingKeys: String, CodingKey {
            case node, cluster, phase, converged, version, address
            case uptimeMilliseconds = "uptime_ms"
            case members, resources, moves, certificate, data, replicas, scrub, epoch, process, time, handover
            case withoutRoom = "without_room"
            case deletedWaitFor = "deleted_wait_for"
        }
    }

    /// What others do not hold yet as often as it is to be held.
    public struct Handover: Codable, Hashable, Sendable {
        public var resources: Int
        /// Of all their versions.
        public var bytes: UInt64

        public init(resources: Int, bytes: UInt64) {
            self.resources = resources
            self.bytes = bytes
        }

        enum CodingKeys: String, CodingKey { case resources, bytes }
    }

    /// A member whose disk refuses what it is to own: others hold it in its place.
    public struct NoRoom: Codable, Hashable, Sendable {
        public var node: String
        /// Resources that wait for room there.
        public var resources: Int

        public init(node: String, resources: Int) {
            self.node = node
            self.resources = resources
        }

        enum CodingKeys: String, CodingKey { case node, resources }
    }

    /// The agent's process, as its system sees it.
    public struct ProcessStatus: Codable, Hashable, Sendable {
        public var pid: Int
        /// Files and connections that it has open; absent where the system does not say.
        public var filesOpen: UInt64?
        /// As many as it may.
        public var filesMax: UInt64

        public init(pid: Int, filesOpen: UInt64?, filesMax: UInt64) {
            self.pid = pid
            self.filesOpen = filesOpen
            self.filesMax = filesMax
        }

        enum CodingKeys: String, CodingKey {
            case pid
            case filesOpen = "files_open"
            case filesMax = "files_max"
        }
    }

    /// DESIGN §8.
    public enum Phase: String, Codable, Hashable, Sendable, CaseIterable {
        case starting, joining, syncing, serving, draining, left
    }

    /// Members by state, the node asked included.
    public struct MemberCounts: Codable, Hashable, Sendable {
        public var alive: Int
        public var suspect: Int
        public var restarting: Int
        public var draining: Int
        public var crashed: Int
        public var left: Int

        public init(
            alive: Int = 0, suspect: Int = 0, restarting: Int = 0, draining: Int = 0, crashed: Int = 0, left: Int = 0
        ) {
            self.alive = alive
            self.suspect = suspect
            self.restarting = restarting
            self.draining = draining
            self.crashed = crashed
            self.left = left
        }

        enum CodingKeys: String, CodingKey { case alive, suspect, restarting, draining, crashed, left }
    }

    public struct ResourceCounts: Codable, Hashable, Sendable {
        /// Live resources on this node's disk.
        public var held: Int
        /// Those of them that it is an owner of.
        public var owned: Int
        /// Held ones that fewer owners than wanted have confirmed.
        public var underReplicated: Int
        /// Held ones that it is not an owner of.
        public var misplaced: Int

        public init(held: Int, owned: Int, underReplicated: Int, misplaced: Int) {
            self.held = held
            self.owned = owned
            self.underReplicated = underReplicated
            self.misplaced = misplaced
        }

        enum CodingKeys: String, CodingKey {
            case held, owned
            case underReplicated = "under_replicated"
            case misplaced
        }
    }

    public struct MoveCounts: Codable, Hashable, Sendable {
        public var active: Int
        public var queued: Int
        /// Resource bytes received and sent for relocation since this agent started.
        public var bytes: UInt64

        public init(active: Int, queued: Int, bytes: UInt64) {
            self.active = active
            self.queued = queued
            self.bytes = bytes
        }

        enum CodingKeys: String, CodingKey { case active, queued, bytes }
    }

    public struct CertificateStatus: Codable, Hashable, Sendable {
        /// `roost://CLUSTER/node/NAME`
        public var name: String?
        /// RFC 3339.
        public var expires: String
        /// No more than a quarter of its life is left. Nil of an agent that is older, as is what follows.
        public var expiresSoon: Bool?
        /// Of the CA's certificate, with which all that it issued end.
        public var caExpires: String?
        public var caExpiresSoon: Bool?

        public init(
            name: String? = nil, expires: String, expiresSoon: Bool? = nil, caExpires: String? = nil,
            caExpiresSoon: Bool? = nil
        ) {
            self.name = name
            self.expires = expires
            self.expiresSoon = expiresSoon
            self.caExpires = caExpires
            self.caExpiresSoon = caExpiresSoon
        }

        enum CodingKeys: String, CodingKey {
            case name, expires
            case expiresSoon = "expires_soon"
            case caExpires = "ca_expires"
            case caExpiresSoon = "ca_expires_soon"
        }
    }

    public struct DataStatus: Codable, Hashable, Sendable {
        public var used: UInt64
        public var free: UInt64

        public init(used: UInt64, free: UInt64) {
            self.used = used
            self.free = free
        }

        enum CodingKeys: String, CodingKey { case used, free }
    }
}
