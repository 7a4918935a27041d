import Client
import SWIM
import Vocabulary

/// What the failure detector found, in a reader's words.
enum FindingText {
    static func kind(_ what: Finding.What) -> String {
        switch what {
        case .unanswered: "unanswered"
        case .suspectedHere, .accused: "suspected"
        case .confirmed: "confirmed"
        case .expired, .condemned: "crashed"
        case .refuted: "refuted"
        case .returned: "returned"
        }
    }

    /// - Parameter address: where the member was asked.
    static func text(_ what: Finding.What, of node: NodeName, at address: Endpoint, by me: NodeName) -> String {
        switch what {
        case .unanswered(let tries, let helpers, let nacks, let fallback):
            return "\(tries == 1 ? "a ping" : "\(tries) pings") of \(me) to \(address) had no answer; "
                + asked(helpers, nacks: nacks) + "; over TLS: \(fallback.rawValue)"
        case .suspectedHere: return "\(me) suspects it"
        case .accused(let accuser, let teller): return "\(accuser) suspects it first" + heard(teller, besides: accuser)
        case .confirmed(let accuser): return "\(accuser) had no answer from it either"
        case .expired(let time, let accusers):
            return "no refutation came within \(HumanUnits.duration(time)), with \(accusers) "
                + (accusers == 1 ? "accuser" : "accusers") + ": \(me) takes it for crashed"
        case .condemned(let judge, let teller): return "\(judge) takes it for crashed" + heard(teller, besides: judge)
        case .refuted(let incarnation, let teller):
            return "it spoke up as incarnation \(incarnation)" + heard(teller, besides: node)
        case .returned(let incarnation, let teller):
            return "it is back as incarnation \(incarnation)" + heard(teller, besides: node)
        }
    }

    private static func asked(_ helpers: [NodeName], nacks: Int) -> String {
        guard !helpers.isEmpty else { return "there was nobody to ask for help" }
        let names = helpers.map(\.text).joined(separator: ", ")
        switch nacks {
        case 0: return "\(names) \(helpers.count == 1 ? "was" : "were") asked to ping it and kept silent too"
        case helpers.count: return "\(names) pinged it and had no answer either"
        default: return "of \(names), asked to ping it, \(nacks) had no answer either and the rest kept silent"
        }
    }

    private static func heard(_ teller: NodeName, besides speaker: NodeName) -> String {
        teller == speaker ? "" : " (heard from \(teller))"
    }

    /// What would clear the member, as things stand; nil when nobody accuses it.
    static func refutation(of member: Member) -> String? {
        switch member.status {
        case .suspect:
            "an answer of \(member.name) to a ping or over TLS to any member, by which it learns that it is suspected, "
                + "and its word as an incarnation above \(member.incarnation)"
        case .crashed:
            "word of \(member.name) itself as an incarnation above \(member.incarnation), or of a later start; its last "
                + "address \(member.endpoint) is pinged now and then"
        case .alive, .restarting, .draining, .left: nil
        }
    }
}
