import Authority
import Client
import Foundation
import NIOPosix
import TLS
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("certificates are renewed and the CA changes while the cluster runs")
    struct AuthorityRotationTests {
        private let names = ["kitale", "lodwar", "moyale"]

        private func roost(
            _ cluster: TestCluster, _ arguments: String..., within limit: Duration = .seconds(60)
        ) async throws -> TestCluster.Ran {
            try await cluster.run(TestCluster.roost, arguments, within: limit)
        }

        private func certificate(_ cluster: TestCluster, _ name: String) async throws -> API.Certificate {
            let client = try await cluster.client(name)
            let certificate = try await client.getJSON(API.Certificate.self, "/v1/certificate")
            await client.close()
            return certificate
        }

        private func events(_ cluster: TestCluster, _ name: String, _ type: String) async throws -> [API.Event] {
            let client = try await cluster.client(name)
            var all: [API.Event] = []
            for try await event in try await client.events(follow: false) where event.type == type { all.append(event) }
            await client.close()
            return all
        }

        private func authority(_ cluster: TestCluster) async throws -> API.Authority {
            let client = try AgentClient(agents: [.unix(path: cluster.socket("kitale"))], certificates: nil)
            let authority = try await client.authority()
            await client.close()
            return authority
        }

        private func reaches(_ phase: String, _ cluster: TestCluster) async throws {
            try await Patience.wait(atMost: .seconds(90), for: "the change to be \(phase)") {
                let authority = try await authority(cluster)
                return authority.phase == phase ? .done(()) : .notYet("\(authority)")
            }
        }

        /// Through a node that has no CA.
        private func renew(_ cluster: TestCluster, _ role: String) async throws {
            let agent = "https://\(try await cluster.endpoint("lodwar"))"
            let ran = try await roost(
                cluster, "renew", "--agent", agent, "--certs", cluster.certificates(role))
            #expect(ran.ending == .exited(0), "\(ran.output)")
        }

        @Test(
            "the CA changes under load: no request fails, nobody is suspected, no step leaves anybody behind unsaid, and the old CA opens nothing"
        )
        func rotation() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kitale", ["ca": "\(cluster.path)/ca"])
                for name in names.dropFirst() { try await cluster.start(name, joining: ["kitale"]) }
                try await cluster.settled(names)
                let here = ["--agent", "unix:\(cluster.socket("kitale"))"]
                let first = try await certificate(cluster, "lodwar")

                // Only where the CA is, and no step before its time.
                let elsewhere = try await roost(
                    cluster, "ca", "rotate", "--agent", "unix:\(cluster.socket("lodwar"))")
                #expect(
                    elsewhere.ending == .exited(73) && elsewhere.output.contains("has no CA"), "\(elsewhere.output)")
                let early = try AgentClient(agents: [.unix(path: cluster.socket("kitale"))], certificates: nil)
                let refusal = try await early.ask(
                    "POST", "/v1/ca/rotate", ["Content-Type": "application/json"],
                    body: Array(#"{"step":"retire","without":[]}"#.utf8))
                #expect(refusal.status == 409 && refusal.errorCode == "not_the_step")
                await early.close()

                let load = Load()
                let workers = names.dropFirst().map { name in
                    Task { await load.run(prefix: name) { try await cluster.client(name) } }
                }
                // Users have not renewed: it stops before the new CA signs, says who, and goes on later.
                let stuck = try await cluster.run(
                    TestCluster.roost, ["ca", "rotate", "--timeout", "3", "--without", "the-reader"] + here)
                #expect(stuck.ending == .exited(75), "\(stuck.output)")
                #expect(stuck.output.contains("client the-client"), "\(stuck.output)")
                #expect(try await authority(cluster).phase == "introduced")

                async let ended = cluster.run(
                    TestCluster.roost, ["ca", "rotate", "--without", "the-reader", "--without", "the-admin"] + here,
                    within: .seconds(180))
                try await renew(cluster, "client")
                try await reaches("reissuing", cluster)
                try await renew(cluster, "client")
                let ran = try await ended
                #expect(ran.ending == .exited(0), "\(ran.output)")
                #expect(ran.output.contains("trusts no other"), "\(ran.output)")

                for name in names {
                    let now = try await certificate(cluster, name)
                    #expect(now.issuer != first.issuer && now.trusts == [now.issuer], "\(name): \(now)")
                }
                await load.stop()
                for worker in workers { await worker.value }
                let failures = await load.failures
                #expect(failures.isEmpty, "\(failures.prefix(5))")
                #expect(await load.done > 20)
                for name in names {
                    let suspected = try await events(cluster, name, "suspected")
                    #expect(suspected.isEmpty, "\(name): \(suspected)")
                }

                // Whoever was left behind is out.
                let reader = try await cluster.client("lodwar", role: .reader)
                await #expect(throws: ClientError.self) { try await reader.status() }
                await reader.close()
                // Nodes come back with what they got themselves, whatever is in the operator's folder.
                for name in ["lodwar", "kitale"] { try await cluster.kill(name) }
                try await cluster.start("kitale", joining: ["moyale"], ["ca": "\(cluster.path)/ca"])
                try await cluster.start("lodwar", joining: ["moyale"])
                try await cluster.settled(names)
                #expect(
                    try FileManager.default.contentsOfDirectory(atPath: "\(cluster.path)/ca").sorted()
                        == ["ca.key.pem", "ca.pem", "issued.log"])
            }
        }

        @Test("a member that is away holds the change of the CA up, by its name, until it is back and has renewed")
        func away() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kitale", ["ca": "\(cluster.path)/ca"])
                for name in names.dropFirst() { try await cluster.start(name, joining: ["kitale"]) }
                try await cluster.settled(names)
                let here = try AgentClient(agents: [.unix(path: cluster.socket("kitale"))], certificates: nil)
                func take(_ step: String) async throws -> (status: Int, code: String?, text: String) {
                    let users = #"["the-client","the-reader","the-admin"]"#
                    let answer = try await here.ask(
                        "POST", "/v1/ca/rotate", ["Content-Type": "application/json"],
                        body: Array(#"{"step":"\#(step)","without":\#(users)}"#.utf8))
                    return (answer.status, answer.errorCode, String(decoding: answer.body, as: UTF8.self))
                }
                try await cluster.kill("moyale")
                #expect(try await take("introduce").status == 200)
                try await Patience.wait(atMost: .seconds(60), for: "the others to renew") {
                    let refused = try await take("reissue")
                    #expect(refused.status == 409 && refused.code == "not_ready" && refused.text.contains("moyale"))
                    return refused.text.contains("lodwar") ? .notYet(refused.text) : .done(())
                }
                #expect(try await authority(cluster).phase == "introduced")
                try await cluster.start("moyale", joining: ["kitale"])
                for (step, phase) in [("reissue", "reissuing"), ("retire", "none")] {
                    try await Patience.wait(atMost: .seconds(90), for: "the step \(step)") {
                        let taken = try await take(step)
                        return taken.status == 200 ? .done(()) : .notYet(taken.text)
                    }
                    #expect(try await authority(cluster).phase == phase)
                }
                await here.close()
            }
        }

        @Test(
            "a node renews itself when two thirds of its certificate's life are over, and no connection ends with that")
        func renewal() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kitale", ["ca": "\(cluster.path)/ca"])
                try await cluster.add("lodwar")
                // Of an hour some minutes are left.
                let place = cluster.certificates("lodwar")
                try FileManager.default.removeItem(atPath: place)
                let old = try cluster.authority.issue(
                    role: .node, name: NodeName("lodwar"), ips: ["127.0.0.1"], dns: ["lodwar.example.org"],
                    validity: .seconds(3_600), now: Int64(Date().timeIntervalSince1970) - 3_000, into: place)
                try await cluster.start("lodwar", joining: ["kitale"])
                let kept = try await ClientConnection.connect(
                    to: .https(try await cluster.endpoint("lodwar")),
                    tls: TLSContext(credentials: Credentials(folder: cluster.certificates("client"))),
                    expecting: .anyNode, timeout: .seconds(20), eventLoopGroup: MultiThreadedEventLoopGroup.singleton)

                let renewed = try await Patience.wait(atMost: .seconds(60), for: "a new certificate") {
                    let now = try await certificate(cluster, "lodwar")
                    return now.serial != old.serial ? .done(now) : .notYet("\(now)")
                }
                let answer = try await kept.send(ClientRequest("GET", "/v1/status"))
                #expect(answer.status == 200)
                await answer.body.discard()
                await kept.close()
                // The operator's files are the operator's; the agent's own are in its data, and the next start finds them.
                #expect(try Credentials(folder: place).serial == old.serial)
                let own = "\(cluster.path)/lodwar.data/certs"
                let sets = try FileManager.default.contentsOfDirectory(atPath: own)
                #expect(sets.count == 1)
                let pem = try Data(contentsOf: URL(filePath: "\(own)/\(sets.first ?? "")/cert.pem"))
                let leaf = try X509Certificate(pem: [UInt8](pem))
                #expect(
                    Set(leaf.alternatives) == [.dns("lodwar"), .dns("lodwar.example.org"), .ip("127.0.0.1")],
                    "what others call it by stays")
                try await cluster.kill("lodwar")
                try await cluster.start("lodwar", joining: ["kitale"])
                #expect(try await certificate(cluster, "lodwar").serial == renewed.serial)
                try await cluster.settled(["kitale", "lodwar"])

                // Who was revoked gets no other.
                let revoked = try await roost(
                    cluster, "revoke", "the-reader", "--agent", "unix:\(cluster.socket("kitale"))")
                #expect(revoked.ending == .exited(0), "\(revoked.output)")
                let again = try await roost(
                    cluster, "renew", "--agent", "https://\(try await cluster.endpoint("kitale"))", "--certs",
                    cluster.certificates("reader"))
                #expect(again.ending == .exited(77), "\(again.output)")
            }
        }
    }
}
