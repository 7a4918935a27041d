import ArgumentParser
import SWIM
import Simulation

/// By whose rules the members of a group live: our own, or others' on the same core.
enum Rules: String, ExpressibleByArgument, CaseIterable {
    case roost
    /// HashiCorp's, as Serf and Consul run them on a LAN.
    case memberlist
    /// The paper of 2002, with our own times.
    case swim

    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

    var settings: Membership.Settings {
        switch self {
        case .roost: Membership.Settings()
        case .memberlist: Membership.Settings().asInMemberlist
        case .swim: Membership.Settings().withoutLifeguard
        }
    }
}
