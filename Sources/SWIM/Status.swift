/// What a claim says of a member. The raw strings are those of the API.
public enum Status: String, Hashable, Sendable, CaseIterable, Codable {
    /// Said by the member itself: it serves.
    case alive
    /// Said by others: it did not answer, and has a while to refute that.
    case suspect
    /// Said by the member itself: it will be back soon; its silence is tolerated for `Settings.restartTolerance`.
    case restarting
    /// Said by the member itself: it hands over what it holds, and will leave.
    case draining
    /// Said by others: it was suspected and did not refute in time.
    case crashed
    /// Said by the member itself: it went in good order.
    case left

    /// Gone: not probed, not counted in the size of the group. The member may still return.
    public var isDeparted: Bool {
        switch self {
        case .crashed, .left: true
        case .alive, .suspect, .restarting, .draining: false
        }
    }

    /// Said by others about a member, which may refute it.
    public var isAccusation: Bool {
        switch self {
        case .suspect, .crashed: true
        case .alive, .restarting, .draining, .left: false
        }
    }
}

/// What a member itself last announced. It stays with the claim while others suspect the member: a draining member
/// that is suspected for a moment must not look like one that would take new data.
public enum Intent: String, Hashable, Sendable, CaseIterable, Codable {
    case serving
    case draining
    case restarting

    /// The status of a member of this intent that nobody accuses.
    public var status: Status {
        switch self {
        case .serving: .alive
        case .draining: .draining
        case .restarting: .restarting
        }
    }
}
