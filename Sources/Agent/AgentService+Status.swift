import Client
import Logging
import Node
import Relocation
import SWIM
import Vocabulary

/// What `systemctl status` shows, kept as it is; and in the log, when copies began to move and when all were in place.
extension AgentService {
    /// Often enough for somebody who looks, and a change of the work that is over sooner is no news.
    private static let statusInterval = Duration.seconds(5)

    func tellStatus() async {
        var told = ""
        var movingSince: ContinuousClock.Instant?
        var isMoveTold = false
        var wasOutnumbered = false
        var full: Set<NodeName> = []
        while !Task.isCancelled {
            do { try await Task.sleep(for: Self.statusInterval) } catch { return }
            let line = core.driver.read { StatusLine($0) }
            // Before that the search for others tells how it goes.
            guard line.phase != .starting, line.phase != .joining else { continue }
            if line.text != told {
                notifier.status(line.text)
                told = line.text
            }
            if line.isOutnumbered != wasOutnumbered {
                wasOutnumbered = line.isOutnumbered
                core.log.notice(
                    wasOutnumbered
                        ? "more members are missing than are here: nothing is relocated until one is back or forgotten"
                        : "no more members are missing than are here",
                    metadata: ["here": "\(line.alive)", "crashed": "\(line.away)"])
            }
            sayWhoIsFull(line.withoutRoom, before: full)
            full = Set(line.withoutRoom.map(\.node))
            guard line.isMoving else {
                if isMoveTold, let start = movingSince {
                    core.log.info(
                        "every copy is in its place",
                        metadata: [
                            "after": "\(HumanUnits.duration(ContinuousClock.now - start))", "resources": "\(line.held)",
                        ])
                }
                (movingSince, isMoveTold) = (nil, false)
                continue
            }
            // What moves at a single look is a write on its way.
            if movingSince != nil, !isMoveTold {
                isMoveTold = true
                core.log.info(
                    "copies are being moved",
                    metadata: ["short_of_copies": "\(line.underReplicated)", "misplaced": "\(line.misplaced)"])
            }
            movingSince = movingSince ?? .now
        }
    }

    private func sayWhoIsFull(_ now: [(node: NodeName, resources: Int)], before: Set<NodeName>) {
        for (node, resources) in now where !before.contains(node) {
            core.log.warning(
                node == core.name
                    ? "this node's disk does not take what it is to own; others hold that in its place"
                    : "a member's disk does not take what it is to own; others hold that in its place",
                metadata: ["member": "\(node)", "resources": "\(resources)"])
        }
        for node in before.subtracting(now.map(\.node)).sorted() {
            core.log.notice("a member has room again for what it is to own", metadata: ["member": "\(node)"])
        }
    }
}

/// How a node is doing, in one line.
struct StatusLine {
    let phase: NodeMachine.Phase
    let alive: Int
    let away: Int
    let isOutnumbered: Bool
    let held: Int
    let underReplicated: Int
    let misplaced: Int
    let transfers: Int
    let withoutRoom: [(node: NodeName, resources: Int)]

    init(_ machine: NodeMachine) {
        phase = machine.phase
        alive = machine.membership.presentCount
        away = machine.membership.members.count { $0.status == .crashed }
        isOutnumbered = machine.isOutnumbered
        let totals = machine.convergence.totals
        held = totals.held
        underReplicated = totals.underReplicated
        misplaced = totals.misplaced
        withoutRoom = machine.convergence.withoutRoom
        transfers = totals.pullsActive + totals.pullsQueued
    }

    var isMoving: Bool { underReplicated + misplaced + transfers > 0 }

    var text: String {
        let crashed = away > 0 ? " and \(away) crashed" + (isOutnumbered ? " that keep their places" : "") : ""
        var parts = ["\(alive) member\(alive == 1 ? "" : "s")" + crashed]
        parts.append("\(held) resource\(held == 1 ? "" : "s")")
        if underReplicated > 0 { parts.append("\(underReplicated) short of copies") }
        if misplaced > 0 { parts.append("\(misplaced) to hand over") }
        if transfers > 0 { parts.append("\(transfers) to fetch") }
        return "\(phase.rawValue): \(parts.joined(separator: ", "))"
    }
}
