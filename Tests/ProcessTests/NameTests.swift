import Client
import Glibc
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("one name, one host")
    struct NameTests {
        /// What `roost VERB…` prints, asked of the agent behind a socket.
        private func roost(_ cluster: TestCluster, _ socket: String, _ arguments: String...) async throws
            -> TestCluster.Ran
        {
            try await cluster.run(TestCluster.roost, arguments + ["--agent", "unix:\(socket)"])
        }

        @Test("a second host with a live node's certificate is refused, says so, and takes over when that one is dead")
        func secondHolder() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("lamu")
                try await cluster.start("voi", joining: ["lamu"])
                try await cluster.settled(["lamu", "voi"])
                let place = try await cluster.endpoint("voi")
                let other = try await cluster.add("spare")
                let socket = "\(cluster.path)/second.sock"
                let systemd = try #require(NotifySocket("\(cluster.path)/notify"))
                let twin = try await cluster.launch(
                    TestCluster.roost,
                    cluster.arguments(
                        "voi", joining: ["lamu"],
                        ["bind": "\(other)", "data_dir": "\(cluster.path)/second.data", "socket": socket]),
                    environment: ["NOTIFY_SOCKET": systemd.path])

                let lamu = try await cluster.client("lamu")
                try await Patience.wait(atMost: .seconds(60), for: "an event on all sides") {
                    () -> Patience.Look<Void> in
                    for agent in [socket, cluster.socket("voi"), cluster.socket("lamu")] {
                        let events = try await roost(cluster, agent, "events")
                        guard events.output.contains("conflict  voi") else { return .notYet(events.output) }
                    }
                    return .done(())
                }
                let told = try await roost(cluster, socket, "events").output
                #expect(told.contains("the name voi is in use by a live node at \(place) since 20"), "\(told)")
                #expect(told.contains("stop it or issue another certificate"), "\(told)")
                let joining = try await roost(cluster, socket, "join", "\(cluster.endpoint("lamu"))")
                #expect(joining.ending == .exited(73), "\(joining)")
                #expect(await twin.poll() == nil, "it waits for its turn")
                // So does not whoever had it started.
                var said: [String] = []
                try await Patience.wait(atMost: .seconds(60), for: "its start to end") { () -> Patience.Look<Void> in
                    said += systemd.messages()
                    let isTold = said.last?.hasPrefix("STATUS=not let in: ") == true
                    return isTold && said.contains { $0.contains("READY=1") } ? .done(()) : .notYet("\(said)")
                }
                let client = try AgentClient(
                    agents: [.https(other)], certificates: cluster.certificates(Role.client.rawValue))
                #expect(try await client.status().phase == .joining)
                // An empty list would be taken for the cluster's.
                for path in ["/v1/resources", "/v1/where/some"] {
                    let answer = try await client.ask("GET", path)
                    #expect(answer.status == 503 && answer.errorCode == "joining", "\(path): \(answer.status)")
                }
                await client.close()
                #expect(try await lamu.members().first { $0.name == "voi" }?.address == "\(place)")
                try await cluster.settled(["lamu", "voi"])

                try await cluster.kill("voi")
                let died = ContinuousClock.now
                try await Patience.wait(atMost: .seconds(60), for: "the second one to take over") {
                    () -> Patience.Look<Void> in
                    let voi = try await lamu.members().first { $0.name == "voi" }
                    guard voi?.address == "\(other)", voi?.state == .alive else {
                        return .notYet("\(String(describing: voi))")
                    }
                    return .done(())
                }
                // Its pause between two attempts is 5 s.
                #expect(ContinuousClock.now - died < .seconds(30))
                await lamu.close()
            }
        }
    }
}
