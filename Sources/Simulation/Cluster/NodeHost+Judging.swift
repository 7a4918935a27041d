import Node
import Relocation
import Resources
import Vocabulary

// What a write is judged by: what others hold of its name, before it is made and when it has its copies.

extension NodeHost {
    /// What others hold of a name that is to be written.
    struct Inquiry: Sendable {
        let request: WriteRequest
        /// What this node had been told of before.
        let told: Set<Dot>
        /// All at once.
        var asked: [NodeName]
        var testimonies: Testimonies
        var hasAskedAll = false
        var answers = 0
    }

    mutating func ask(_ inquiry: Inquiry, _ context: inout Context, then: @escaping Wrote) {
        guard !inquiry.asked.isEmpty else { return judge(inquiry, &context, then: then) }
        inquiryNumber += 1
        let id = inquiryNumber
        inquiries[id] = inquiry
        for node in inquiry.asked {
            testimony(of: inquiry.request.name, from: node, since: context.now, &context) { host, testimony, context in
                guard var inquiry = host.inquiries.removeValue(forKey: id) else { return }
                inquiry.testimonies.heard(testimony, from: node)
                inquiry.answers += 1
                if inquiry.answers == inquiry.asked.count { return host.judge(inquiry, &context, then: then) }
                host.inquiries[id] = inquiry
            }
        }
    }

    private typealias Told = @Sendable (inout NodeHost, Testimony?, inout HostContext<NodeHost>) -> Void

    /// One that has no place for the question is there, and is asked again.
    private mutating func testimony(
        of name: ResourceName, from node: NodeName, since began: Instant, _ context: inout Context,
        then: @escaping Told
    ) {
        call(node, .versions(name), within: .seconds(5), &context) { host, response, context in
            if case .versions(let theirs) = response { return then(&host, theirs, &context) }
            guard case .busy = response, context.now < began + PeerPlaces.placeTimeout else {
                return then(&host, nil, &context)
            }
            host.after(PeerPlaces.busyPause, &context) { host, context in
                host.testimony(of: name, from: node, since: began, &context, then: then)
            }
        }
    }

    private mutating func judge(_ inquiry: Inquiry, _ context: inout Context, then: @escaping Wrote) {
        let request = inquiry.request
        guard request.dependsOnState,
            !machine.mayJudge(request.name, by: inquiry.testimonies, everybody: inquiry.hasAskedAll)
        else { return commit(request, by: inquiry.testimonies, told: inquiry.told, &context, then: then) }
        guard !inquiry.hasAskedAll else {
            // Who has not heard all there is may be the only one who is in doubt.
            return then(&self, machine.isHalfHeard(request.name) ? .unavailable : .undecided, &context)
        }
        var all = inquiry
        let silent = inquiry.testimonies.silent
        all.asked = machine.convergence.view.contactable.filter { !silent.contains($0) }
        all.testimonies.holds(context.disk.durable.sets[request.name])
        all.testimonies.askAgain()
        (all.hasAskedAll, all.answers) = (true, 0)
        ask(all, &context, then: then)
    }

    /// Who has no room for a write may have made another: a delete takes none.
    ///
    /// What one that is gone made nobody acknowledges any more.
    mutating func judge(
        _ end: WriteEnd, of version: Version, asking declined: [NodeName], round: Int = 0, _ context: inout Context,
        then: @escaping Wrote
    ) {
        let view = machine.convergence.view
        let open = declined.filter { view.mayBeBack($0) }
        guard round < WriteEnd.asksMax, !open.isEmpty else {
            let known = context.disk.durable.sets[version.name]?.rival(of: version)?.dot
            if let rival = known ?? end.rival { return then(&self, .refused(.outranked(by: rival)), &context) }
            if !end.unheard.isEmpty || !open.isEmpty { return then(&self, .unknown, &context) }
            return then(&self, .written(version, copies: end.copies, wanted: end.wanted), &context)
        }
        let here = open.filter { view.canCall($0) }
        let away = open.filter { !view.canCall($0) }
        hear(here[...], of: version, end, silent: [], &context) { host, end, silent, context in
            let rest = silent + away
            guard !rest.isEmpty, round + 1 < WriteEnd.asksMax else {
                return host.judge(end, of: version, asking: rest, round: round + 1, &context, then: then)
            }
            host.after(WriteTracker.retryPause, &context) { host, context in
                host.judge(end, of: version, asking: rest, round: round + 1, &context, then: then)
            }
        }
    }

    private typealias Heard = @Sendable (inout NodeHost, WriteEnd, [NodeName], inout HostContext<NodeHost>) -> Void

    /// One after the other.
    private mutating func hear(
        _ declined: ArraySlice<NodeName>, of version: Version, _ end: WriteEnd, silent: [NodeName],
        _ context: inout Context, then: @escaping Heard
    ) {
        guard let node = declined.first else { return then(&self, end, silent, &context) }
        testimony(of: version.name, from: node, since: context.now, &context) { host, testimony, context in
            var (end, silent) = (end, silent)
            if let testimony {
                end.heard(testimony, from: node, besides: version)
            } else {
                silent.append(node)
            }
            host.hear(declined.dropFirst(), of: version, end, silent: silent, &context, then: then)
        }
    }
}
