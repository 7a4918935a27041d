/// Membership as the API shows it: `/v1/members`, `/v1/join`, `/v1/leave`, `/v1/restart`, `/v1/forget`.
extension API {
    public enum MemberState: String, Codable, Hashable, Sendable, CaseIterable {
        case alive, suspect, restarting, draining, crashed, left
    }

    /// One row of `GET /v1/members`, which answers a plain array sorted by name, the node asked included.
    public struct Member: Codable, Hashable, Sendable {
        public var name: String
        /// `host:port`
        public var address: String
        public var state: MemberState
        public var incarnation: UInt64
        public var zone: String?
        public var weight: UInt32
        /// Round trip from the node asked; absent when not measured yet, and for itself.
        public var rttMilliseconds: Double?
        /// RFC 3339: when this state began, as the node asked knows.
        public var since: String
        /// The version of Roost that it runs.
        public var version: String
        /// How many resources it holds, where known.
        public var holds: Int?
        /// By which way the node asked reaches it: `direct` (datagrams pass), `relayed` (others vouch for it) or `tls`.
        public var reach: String?
        /// What its operator calls it by; absent when it has none, or they are not known yet.
        public var tags: [String: String]?
        /// True while the node asked has heard that it has tags, and not which; absent else.
        public var tagsPending: Bool?

        public init(
            name: String, address: String, state: MemberState, incarnation: UInt64, zone: String?, weight: UInt32,
            rttMilliseconds: Double?, since: String, version: String, holds: Int?, reach: String? = nil,
            tags: [String: String]? = nil, tagsPending: Bool? = nil
        ) {
            self.name = name
            self.address = address
            self.state = state
            self.incarnation = incarnation
            self.zone = zone
            self.weight = weight
            self.rttMilliseconds = rttMilliseconds
            self.since = since
            self.version = version
            self.holds = holds
            self.reach = reach
            self.tags = tags
            self.tagsPending = tagsPending
        }

        enum CodingKeys: String, CodingKey {
            case name, address, state, incarnation, zone, weight
            case rttMilliseconds = "rtt_ms"
            case since, version, holds, reach, tags
            case tagsPending = "tags_pending"
        }
    }

    /// `GET /v1/members/NAME/why`: how a member came to be held for what it is.
    public struct Explanation: Codable, Hashable, Sendable {
        public struct Step: Codable, Hashable, Sendable {
            /// RFC 3339.
            public var time: String
            /// `unanswered`, `suspected`, `confirmed`, `crashed`, `refuted`, `returned`.
            public var type: String
            public var text: String

            public init(time: String, type: String, text: String) {
                self.time = time
                self.type = type
                self.text = text
            }

            enum CodingKeys: String, CodingKey { case time, type, text }
        }

        public var name: String
        public var state: MemberState
        /// RFC 3339.
        public var since: String
        public var reach: String
        /// Who accuse it of its present incarnation.
        public var accusers: [String]
        /// What the node asked found and heard, the latest last; empty when nobody ever suspected it.
        public var steps: [Step]
        /// What would clear it; absent when nobody accuses it.
        public var refutation: String?
        /// How far the node asked doubts itself as a judge: 0 not at all, up to 8.
        public var healthScore: Int

        public init(
            name: String, state: MemberState, since: String, reach: String, accusers: [String], steps: [Step],
            refutation: String?, healthScore: Int
        ) {
            self.name = name
            self.state = state
            self.since = since
            self.reach = reach
            self.accusers = accusers
            self.steps = steps
            self.refutation = refutation
            self.healthScore = healthScore
        }

        enum CodingKeys: String, CodingKey {
            case name, state, since, reach, accusers, steps, refutation
            case healthScore = "health_score"
        }
    }

    /// Body of `POST /v1/join`.
    public struct JoinRequest: Codable, Hashable, Sendable {
        /// `host:port` of members to try, in order; at most `addressesMax`.
        public var addresses: [String]

        public init(addresses: [String]) { self.addresses = addresses }

        public static let addressesMax = 64

        enum CodingKeys: String, CodingKey { case addresses }
    }

    /// Answer to `POST /v1/join`: 200 when at least one address answered.
    public struct JoinResult: Codable, Hashable, Sendable {
        public struct Failure: Codable, Hashable, Sendable {
            public var address: String
            public var message: String

            public init(address: String, message: String) {
                self.address = address
                self.message = message
            }

            enum CodingKeys: String, CodingKey { case address, message }
        }

        /// Names of the nodes that answered.
        public var joined: [String]
        public var failed: [Failure]
        /// How many members this node knows now, itself included.
        public var members: Int

        public init(joined: [String], failed: [Failure], members: Int) {
            self.joined = joined
            self.failed = failed
            self.members = members
        }

        enum CodingKeys: String, CodingKey { case joined, failed, members }
    }

    /// Body of `POST /v1/leave`.
    public struct LeaveRequest: Codable, Hashable, Sendable {
        /// Announce and go without handing anything over.
        public var now: Bool
        /// Longest time for the hand-over; absent: the agent's `leave.timeout`.
        public var timeoutMilliseconds: UInt64?

        public init(now: Bool, timeoutMilliseconds: UInt64? = nil) {
            self.now = now
            self.timeoutMilliseconds = timeoutMilliseconds
        }

        enum CodingKeys: String, CodingKey {
            case now
            case timeoutMilliseconds = "timeout_ms"
        }
    }

    /// Answer to `POST /v1/leave`, sent when the hand-over has ended; the agent exits after it.
    public struct LeaveResult: Codable, Hashable, Sendable {
        public var node: String
        /// Whether everything that it held is on enough others.
        public var complete: Bool
        /// Resources that only this node holds still, 0 when complete. Where it is nothing but deletes that others do not
        /// know of, those of the names of a slot count as one.
        public var remaining: Int
        /// The bytes of all their versions. Nil of an agent that is older, as is what follows.
        public var remainingBytes: UInt64?
        /// The names of those, sorted; a hundred at most.
        public var leftBehind: [String]?
        /// How many more there are.
        public var leftBehindMore: Int?
        /// Deleted names of which others do not know that they are.
        public var deletedBehind: Int?
        /// Resource bytes sent to others while draining.
        public var bytes: UInt64
        public var durationMilliseconds: UInt64
        /// How many copies of each resource the members that stay are to have: `wanted`, or as many as they are. `nil` from
        /// an agent of before 2026-11-28, as is `wanted`.
        public var copies: Int?
        /// The setting `replicas`.
        public var wanted: Int?
        /// Members that have no room for what they are to take over. Nil of an agent that is older.
        public var withoutRoom: [NoRoom]?

        public init(
            node: String, complete: Bool, remaining: Int, remainingBytes: UInt64?, leftBehind: [String]?,
            leftBehindMore: Int?, deletedBehind: Int?, bytes: UInt64, durationMilliseconds: UInt64, copies: Int?,
            wanted: Int?, withoutRoom: [NoRoom]?
        ) {
            self.node = node
            self.complete = complete
            self.remaining = remaining
            self.remainingBytes = remainingBytes
            self.leftBehind = leftBehind
            self.leftBehindMore = leftBehindMore
            self.deletedBehind = deletedBehind
            self.bytes = bytes
            self.durationMilliseconds = durationMilliseconds
            self.copies = copies
            self.wanted = wanted
            self.withoutRoom = withoutRoom
        }

        enum CodingKeys: String, CodingKey {
            case node, complete, remaining, bytes, copies, wanted
            case remainingBytes = "remaining_bytes"
            case leftBehind = "left_behind"
            case leftBehindMore = "left_behind_more"
            case deletedBehind = "deleted_behind"
            case withoutRoom = "without_room"
            case durationMilliseconds = "duration_ms"
        }
    }

    /// Body of `POST /v1/restart`.
    public struct RestartRequest: Codable, Hashable, Sendable {
        public init() {}
    }

    /// Answer to `POST /v1/restart`, sent when the members have been told; the agent ends after it.
    public struct RestartResult: Codable, Hashable, Sendable {
        /// Who starts the agent again.
        public enum Starter: String, Codable, Hashable, Sendable, CaseIterable {
            /// Whoever started it and waits for it: systemd, by the agent's exit status.
            case supervisor
            /// It puts a new start of its program in its own place: the same process, arguments and environment.
            case itself
        }

        public var node: String
        public var by: Starter
        /// The boot epoch that ends: the status of the agent that has come back shows a greater one.
        public var epoch: UInt64
        /// Members that were told over TLS and answered; the others hear it by gossip.
        public var told: Int

        public init(node: String, by: Starter, epoch: UInt64, told: Int) {
            self.node = node
            self.by = by
            self.epoch = epoch
            self.told = told
        }

        enum CodingKeys: String, CodingKey { case node, by, epoch, told }
    }

    /// Body of `POST /v1/forget`.
    public struct ForgetRequest: Codable, Hashable, Sendable {
        public var node: String

        public init(node: String) { self.node = node }

        enum CodingKeys: String, CodingKey { case node }
    }

    /// Answer to `POST /v1/forget`.
    public struct ForgetResult: Codable, Hashable, Sendable {
        public var node: String
        /// Members that could not be told; what they still tell of it may bring it back.
        public var untold: [String]

        public init(node: String, untold: [String]) {
            self.node = node
            self.untold = untold
        }

        enum CodingKeys: String, CodingKey { case node, untold }
    }

    /// Body of `POST /v1/revoke`: a certificate's name, a label or the whole `roost://…`.
    public struct RevokeRequest: Codable, Hashable, Sendable {
        public var name: String

        public init(name: String) { self.name = name }

        enum CodingKeys: String, CodingKey { case name }
    }
}
