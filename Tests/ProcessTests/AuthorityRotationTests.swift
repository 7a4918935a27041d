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

        private typealias Taken = (status: Int, code: String?, text: String)

        /// A step that waits for no user.
        private func take(_ step: String, _ here: AgentClient) async throws -> Taken {
            let users = #"["the-client","the-reader","the-admin"]"#
            let answer = try await here.ask(
                "POST", "/v1/ca/rotate", ["Content-Type": "application/json"],
                body: Array(#"{"step":"\#(step)","without":\#(users)}"#.utf8))
            return (answer.status, answer.errorCode, String(decoding: answer.body, as: UTF8.self))
        }

        private func taken(_ step: String, _ here: AgentClient) async throws {
            try await Patience.wait(atMost: .seconds(90), for: "the step \(step)") {
                let taken = try await take(step, here)
                return taken.status == 200 ? .done(()) : .notYet(taken.text)
            }
        }

        private let users = ["the-client", "the-reader", "the-admin"].flatMap { ["--without", $0] }

        /// `roost ca rotate` where the CA is, waiting for no user.
        private func rotate(_ cluster: TestCluster, _ more: String...) async throws -> TestCluster.Ran {
            let here = ["--agent", "unix:\(cluster.socket("kitale"))"]
            return try await cluster.run(
                TestCluster.roost, ["ca", "rotate"] + users + here + more, within: .seconds(120))
        }

        private func sees(
            _ cluster: TestCluster, _ name: String, _ what: String, _ isSo: (API.Authority.Member?) -> Bool
        ) async throws {
            try await Patience.wait(atMost: .seconds(90), for: "\(name) to be \(what)") {
                let authority = try await authority(cluster)
                return isSo(authority.members.first { $0.name == name }) ? .done(()) : .notYet("\(authority)")
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
                #expect(ran.output.contains("no member trusts the old one"), "\(ran.output)")

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
                func take(_ step: String) async throws -> Taken { try await self.take(step, here) }
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
                    try await taken(step, here)
                    #expect(try await authority(cluster).phase == phase)
                }
                await here.close()
            }
        }

        @Test(
            "a node that left, or has a certificate and is no member, holds the change of the CA up, until it renewed, was named, forgotten or revoked"
        )
        func left() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kitale", ["ca": "\(cluster.path)/ca"])
                for name in ["lodwar", "moyale", "isiolo"] { try await cluster.start(name, joining: ["kitale"]) }
                try await cluster.settled(["kitale", "lodwar", "moyale", "isiolo"])
                // Its host is set up, and its agent was never started.
                try await cluster.add("wajir")
                let here = try AgentClient(agents: [.unix(path: cluster.socket("kitale"))], certificates: nil)
                for name in ["moyale", "isiolo"] { #expect(try await cluster.stop(name) == .exited(0)) }

                let stuck = try await rotate(cluster, "--timeout", "3")
                #expect(stuck.ending == .exited(75), "\(stuck.output)")
                for words in ["moyale (it left", "isiolo (it left", "wajir (it is no member", "--without NAME"] {
                    #expect(stuck.output.contains(words), "\(words): \(stuck.output)")
                }
                let refused = try await take("reissue", here)
                #expect(refused.status == 409 && refused.code == "not_ready")
                #expect(refused.text.contains("moyale (it left") && refused.text.contains("wajir (it is no member"))

                for (verb, name) in [("revoke", "wajir"), ("forget", "isiolo")] {
                    let ran = try await roost(cluster, verb, name, "--agent", "unix:\(cluster.socket("kitale"))")
                    #expect(ran.ending == .exited(0), "\(ran.output)")
                    try await sees(cluster, name, "waited for no more") { $0 == nil }
                }
                // It comes, renews and goes again: nobody has to wait for that one.
                try await cluster.start("moyale", joining: ["kitale"])
                try await sees(cluster, "moyale", "ready") { $0?.ready == true }
                #expect(try await cluster.stop("moyale") == .exited(0))
                try await sees(cluster, "moyale", "gone") { $0 == nil }
                try await taken("reissue", here)

                // What it has now is of the old one.
                try await sees(cluster, "moyale", "waited for") { $0?.ready == false && $0?.state == .left }
                let again = try await take("retire", here)
                #expect(again.status == 409 && again.text.contains("moyale"))
                let named = try await rotate(cluster, "--without", "moyale")
                #expect(named.ending == .exited(0), "\(named.output)")
                #expect(named.output.contains("no member trusts the old one"), "\(named.output)")
                await here.close()
            }
        }

        @Test(
            "whoever is away at the end of a change is named and not waited for, and no other change begins before that one is over"
        )
        func end() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kitale", ["ca": "\(cluster.path)/ca"])
                for name in names.dropFirst() { try await cluster.start(name, joining: ["kitale"]) }
                try await cluster.settled(names)
                let here = try AgentClient(agents: [.unix(path: cluster.socket("kitale"))], certificates: nil)
                func crashes() async throws {
                    try await sees(cluster, "moyale", "ready") { $0?.ready == true }
                    try await cluster.kill("moyale")
                    try await sees(cluster, "moyale", "crashed") { $0?.state == .crashed }
                }

                // Taken back, and broken off while one trusts it still.
                try await taken("introduce", here)
                try await crashes()
                let first = try await authority(cluster)
                let abandoning = try await cluster.launch(
                    TestCluster.roost, ["ca", "rotate", "--abandon", "--agent", "unix:\(cluster.socket("kitale"))"])
                func said() throws -> String { try String(contentsOfFile: abandoning.logPath, encoding: .utf8) }
                try await Patience.wait(atMost: .seconds(60), for: "the last wait") {
                    let text = try said()
                    return text.contains("2 of 3 members trust") ? .done(()) : .notYet(text)
                }
                await abandoning.send(SIGINT)
                #expect(try await abandoning.end(within: .seconds(20)) == .exited(130))
                let text = try said()
                #expect(text.contains("may still be trusted by moyale (it is away)"), "\(text)")

                // The CA's host starts anew meanwhile, and nothing is begun over it.
                try await cluster.kill("kitale")
                try await cluster.start("kitale", joining: ["lodwar"], ["ca": "\(cluster.path)/ca"])
                let early = try await rotate(cluster, "--timeout", "2")
                #expect(early.ending == .exited(75) && early.output.contains("moyale"), "\(early.output)")
                let refused = try await take("introduce", here)
                #expect(refused.code == "not_ready" && refused.text.contains("moyale"), "\(refused)")
                let still = try await authority(cluster)
                #expect(still.phase == "none" && still.issuing == first.issuing && still.other == first.other)
                let waiting = try await cluster.launch(
                    TestCluster.roost,
                    ["ca", "rotate"] + users + ["--timeout", "90", "--agent", "unix:\(cluster.socket("kitale"))"])
                func waited() throws -> String { try String(contentsOfFile: waiting.logPath, encoding: .utf8) }
                // Once nobody trusts the CA before any more, the command would begin another change.
                try await Patience.wait(atMost: .seconds(60), for: "the wait for moyale") {
                    let text = try waited()
                    return text.contains("the change before is not over") ? .done(()) : .notYet(text)
                }
                try await cluster.start("moyale", joining: ["kitale"])
                let isOver = try await waiting.end(within: .seconds(100)) == .exited(0)
                let ended = try waited()
                #expect(isOver && ended.contains("is over now"), "\(ended)")
                let calm = try await authority(cluster)
                #expect(calm.phase == "none" && calm.issuing == first.issuing && calm.other == nil)

                // To the end, but for one.
                for step in ["introduce", "reissue"] { try await taken(step, here) }
                try await crashes()
                let ran = try await rotate(cluster, "--timeout", "3")
                #expect(ran.ending == .exited(0), "\(ran.output)")
                #expect(ran.output.contains("may still be trusted by moyale (it is away)"), "\(ran.output)")
                let last = try await authority(cluster)
                #expect(last.phase == "none" && last.other == first.issuing)
                let again = try await rotate(cluster, "--timeout", "2")
                #expect(again.ending == .exited(75) && again.output.contains("moyale"), "\(again.output)")
                #expect(try await authority(cluster).issuing == last.issuing)
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
