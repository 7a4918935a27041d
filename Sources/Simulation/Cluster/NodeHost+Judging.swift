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
        /// Also of what this node holds itself: it may let go of it while it asks.
        var seen: VersionSet?
        var silent: [NodeName] = []
        var hasAskedAll = false
        var answers = 0

        mutating func add(_ set: VersionSet?) {
            if let set { seen = seen?.merged(with: set.versions) ?? set }
        }
    }

    mutating func ask(_ inquiry: Inquiry, _ context: inout Context, then: @escaping Wrote) {
        guard !inquiry.asked.isEmpty else { return judge(inquiry, &context, then: then) }
        inquiryNumber += 1
        let id = inquiryNumber
        inquiries[id] = inquiry
        for node in inquiry.asked {
            call(node, .versions(inquiry.request.name), within: .seconds(5), &context) { host, response, context in
                guard var inquiry = host.inquiries.removeValue(forKey: id) else { return }
                if case .versions(let theirs) = response { inquiry.add(theirs) } else { inquiry.silent.append(node) }
                inquiry.answers += 1
                if inquiry.answers == inquiry.asked.count { return host.judge(inquiry, &context, then: then) }
                host.inquiries[id] = inquiry
            }
        }
    }

    private mutating func judge(_ inquiry: Inquiry, _ context: inout Context, then: @escaping Wrote) {
        let mayJudge =
            !inquiry.request.dependsOnState
            || machine.mayJudge(
                inquiry.request.name, seen: inquiry.seen, heard: inquiry.asked.filter { !inquiry.silent.contains($0) },
                silent: inquiry.silent, everybody: inquiry.hasAskedAll)
        guard !mayJudge else {
            return commit(inquiry.request, seen: inquiry.seen, told: inquiry.told, &context, then: then)
        }
        guard !inquiry.hasAskedAll else { return then(&self, .unavailable, &context) }
        var all = inquiry
        all.asked = machine.convergence.view.contactable.filter { !inquiry.silent.contains($0) }
        all.add(context.disk.durable.sets[inquiry.request.name])
        (all.hasAskedAll, all.answers) = (true, 0)
        ask(all, &context, then: then)
    }

    /// Who has no room for a write may have made another: a delete takes none.
    mutating func judge(
        _ end: WriteEnd, of version: Version, asking declined: ArraySlice<NodeName>, tries: Int = 1,
        _ context: inout Context, then: @escaping Wrote
    ) {
        guard let node = declined.first else {
            let here = context.disk.durable.sets[version.name]?.rival(of: version)?.dot
            if let rival = here ?? end.rival { return then(&self, .refused(.outranked(by: rival)), &context) }
            if !end.unheard.isEmpty { return then(&self, .unknown, &context) }
            return then(&self, .written(version, copies: end.copies, wanted: end.wanted), &context)
        }
        // What one that is gone made nobody acknowledges any more.
        guard machine.convergence.view.canCall(node) else {
            return judge(end, of: version, asking: declined.dropFirst(), &context, then: then)
        }
        call(node, .versions(version.name), within: .seconds(5), &context) { host, response, context in
            var next = end
            if case .versions(let held) = response {
                next.heard(held, besides: version)
            } else if tries < WriteEnd.asksMax {
                return host.after(WriteTracker.retryPause, &context) { host, context in
                    host.judge(end, of: version, asking: declined, tries: tries + 1, &context, then: then)
                }
            } else if host.machine.convergence.view.canCall(node) {
                next.unheard.append(node)
            }
            host.judge(next, of: version, asking: declined.dropFirst(), &context, then: then)
        }
    }
}
