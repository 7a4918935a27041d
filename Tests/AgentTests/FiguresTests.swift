import Foundation
import Gossip
import Node
import SWIM
import TLS
import Testing
import Vocabulary

@testable import Agent

@Suite("What /metrics says", .timeLimit(.minutes(1)))
struct FiguresTests {
    private func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

    @Test("every reason and direction has its line from the start")
    func zeros() {
        let metrics = Metrics()
        GossipFigures.add(GossipCounters.Values(), to: metrics)
        let lines = lines(metrics.exposition)
        for reason in Rejections().all.map(\.reason) {
            #expect(lines.contains("roost_gossip_rejected_total{reason=\"\(reason)\"} 0"))
        }
        for reason in GossipCounters.Unsent.allCases {
            #expect(lines.contains("roost_gossip_unsent_total{reason=\"\(reason.rawValue)\"} 0"))
        }
        #expect(lines.contains("roost_gossip_datagrams_total{direction=\"sent\"} 0"))
        ClaimsFigures.add(ClaimVerifier.Counts(verified: 3, refused: [.forged: 2]), to: metrics)
        let claims = self.lines(metrics.exposition)
        for reason in ClaimRefusal.allCases {
            #expect(
                claims.contains(
                    "roost_claims_refused_total{reason=\"\(reason.rawValue)\"} \(reason == .forged ? 2 : 0)"))
        }
    }

    @Test("a certificate's end is told in seconds, and as a warning from a quarter of its life on")
    func certificates() throws {
        let credentials = try TestBed().identity(.node, "simba").credentials
        let soon = credentials.life.soonFrom
        for (now, warns) in [(credentials.notBefore, 0), (soon - 1, 0), (soon, 1), (credentials.notAfter + 9, 1)] {
            let metrics = Metrics()
            CertificateFigures.add(credentials, at: now, to: metrics)
            let lines = lines(metrics.exposition)
            #expect(lines.contains("roost_certificate_expires_soon{certificate=\"node\"} \(warns)"))
            // The CA's is longer.
            #expect(lines.contains("roost_certificate_expires_soon{certificate=\"ca\"} 0"))
            let left = credentials.notAfter - now
            #expect(lines.contains("roost_certificate_expiry_seconds{certificate=\"node\"} \(left)"))
        }
    }

    @Test("what was counted is told")
    func counted() {
        var counts = GossipCounters.Values()
        counts.received = 7
        counts.receivedBytes = 900
        counts.rejected["replayed"] = 3
        counts.unsent["too_large"] = 2
        counts.socketErrors = 1
        let metrics = Metrics()
        GossipFigures.add(counts, to: metrics)
        let lines = lines(metrics.exposition)
        #expect(lines.contains("roost_gossip_datagrams_total{direction=\"received\"} 7"))
        #expect(lines.contains("roost_gossip_bytes_total{direction=\"received\"} 900"))
        #expect(lines.contains("roost_gossip_rejected_total{reason=\"replayed\"} 3"))
        #expect(lines.contains("roost_gossip_unsent_total{reason=\"too_large\"} 2"))
        #expect(lines.contains("roost_gossip_socket_errors_total 1"))
    }

    @Test("members are counted by state and events by kind, all of them named")
    func members() throws {
        var membership = Membership(
            identity: try NodeName("me"), epoch: 1, endpoint: try TestBed.loopback(1), metadata: .standard, at: .zero)
        let claims = try [("a", Status.alive), ("b", .suspect), ("c", .crashed)].map { name, status in
            Claim(
                name: try NodeName(name), endpoint: try TestBed.loopback(2), epoch: 1, incarnation: .zero,
                status: status, metadata: .standard)
        }
        var rng = SeededGenerator(seed: 1)
        var effects: [Membership.Effect] = []
        membership.handle(.merge(claims, from: try NodeName("a")), at: .zero, using: &rng, into: &effects)
        let metrics = Metrics()
        MembershipFigures(membership).add(to: metrics, events: ["joined": 2, "suspected": 1])
        let lines = lines(metrics.exposition)
        #expect(lines.contains("roost_members{state=\"alive\"} 2"))
        #expect(lines.contains("roost_members{state=\"suspect\"} 1"))
        #expect(lines.contains("roost_members{state=\"crashed\"} 1"))
        #expect(lines.contains("roost_members{state=\"left\"} 0"))
        #expect(lines.contains("roost_membership_events_total{kind=\"joined\"} 2"))
        #expect(lines.contains("roost_membership_events_total{kind=\"suspected\"} 1"))
        for kind in MemberEvent.Kind.allCases {
            #expect(lines.contains { $0.hasPrefix("roost_membership_events_total{kind=\"\(kind.rawValue)\"}") })
        }
    }

    @Test("every figure of an agent has its help, its proper suffix and its row in docs/PROTOCOL.md")
    func documented() async throws {
        let bed = try TestBed()
        let a = try await TestAgent.start(bed, "a")
        let b = try await TestAgent.start(bed, "b", join: [a.endpoint])
        #expect(await eventually(30) { a.sees(b) && a.core.driver.read { $0.membership.member(b.name)?.rtt != nil } })
        let text = await MetricsRoutes(box: CoreBox(), version: "test").exposition(of: a.core, renewals: .init())
        let protocolText = try String(
            contentsOf: URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appending(path: "docs/PROTOCOL.md"), encoding: .utf8)
        let types = lines(text).filter { $0.hasPrefix("# TYPE ") }.map { $0.split(separator: " ").map(String.init) }
        try #require(types.count > 20)
        for type in types {
            let name = type[2]
            #expect(lines(text).contains { $0.hasPrefix("# HELP \(name) ") }, "\(name) has no help")
            #expect((type[3] == "counter") == name.hasSuffix("_total"), "\(name) is a \(type[3])")
            // `roost_resources_held`, `_owned`: one row for a family of names.
            let last = name.replacing("roost_resources", with: "")
            #expect(
                protocolText.contains("`\(name)`") || protocolText.contains("`\(last)`"), "\(name) is not in the table")
        }
        // What has a list of values has all of them listed.
        let listed = [
            ("roost_claims_refused_total", ClaimRefusal.allCases.map(\.rawValue)),
            ("roost_tls_refused_total", TLSRefusal.allCases.map(\.rawValue)),
        ]
        for (name, values) in listed {
            #expect(values.allSatisfy { lines(text).contains("\(name){reason=\"\($0)\"} 0") })
            let row = protocolText.split(separator: "\n").first { $0.hasPrefix("| `\(name)`") } ?? ""
            #expect(values.allSatisfy { row.contains($0) }, "\(row)")
        }
        #expect(lines(text).contains("roost_membership_events_total{kind=\"joined\"} 1"))
        #expect(lines(text).contains("roost_members{state=\"alive\"} 2"))
        await a.stop()
        await b.stop()
    }
}
