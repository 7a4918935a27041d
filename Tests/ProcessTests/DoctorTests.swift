import Authority
import Client
import FoundationEssentials
import Glibc
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("roost doctor")
    struct DoctorTests {
        private func examine(_ cluster: TestCluster, _ yaml: String) async throws -> (exit: Int32?, checks: [API.Check])
        {
            let ran = try await cluster.run(TestCluster.roost, ["doctor", "--config", yaml, "--json"])
            let checkup = try API.JSON.decode(API.Checkup.self, from: Array(ran.output.utf8))
            guard case .exited(let status) = ran.ending else { return (nil, checkup.checks) }
            return (status, checkup.checks)
        }

        private func outcome(_ checks: [API.Check], _ name: String) -> API.Check.Outcome? {
            checks.filter { $0.name == name }.map(\.outcome).max { $0.gravity < $1.gravity }
        }

        @Test("it says what is well, what is not, and what to do, whether the agent is up or down")
        func upAndDown() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kitale")
                try await cluster.start("lodwar", joining: ["kitale"])
                try await cluster.settled(["kitale", "lodwar"])
                let yaml = "\(cluster.path)/kitale.yaml"
                func write(_ more: String = "") async throws {
                    let text = """
                        bind: "\(try await cluster.endpoint("kitale"))"
                        certs: \(cluster.certificates("kitale"))
                        data_dir: \(cluster.path)/kitale.data
                        socket: \(cluster.socket("kitale"))
                        join: ["\(try await cluster.endpoint("lodwar"))"]
                        \(more)
                        """
                    try Data(text.utf8).write(to: URL(filePath: yaml), options: .atomic)
                }
                try await write()
                let well = try await Patience.wait(atMost: .seconds(60), for: "all checks to be well") {
                    let found = try await examine(cluster, yaml)
                    let names = [
                        "configuration", "certificate", "ca", "disk", "files", "port_tcp", "port_udp", "agent",
                        "copies",
                        "members", "udp", "keys", "tcp", "clock",
                    ]
                    let bad = names.filter { name in
                        // How much room there is, and how many files one may open, is the machine's own affair.
                        let word = outcome(found.checks, name)
                        return name == "disk" || name == "files" ? word == nil : word != .ok
                    }
                    return bad.isEmpty ? .done(found) : .notYet("\(bad): \(found.checks)")
                }
                #expect(well.exit == (well.checks.contains { $0.outcome == .fail } ? 1 : 0))
                let text = try await cluster.run(TestCluster.roost, ["doctor", "--config", yaml])
                #expect(text.output.contains("ok    agent"), "\(text.output)")

                try await cluster.kill("lodwar")
                try await Patience.wait(atMost: .seconds(60), for: "the crash to be told") {
                    let found = try await examine(cluster, yaml)
                    let members = found.checks.first { $0.name == "members" }
                    return members?.outcome == .warn && members?.text.contains("crashed: lodwar") == true
                        ? .done(()) : .notYet("\(found.checks)")
                }

                try await cluster.kill("kitale")
                let down = try await examine(cluster, yaml)
                #expect(down.exit == 1 && outcome(down.checks, "agent") == .fail)
                #expect(outcome(down.checks, "certificate") == .ok && outcome(down.checks, "disk") != nil)
                #expect(outcome(down.checks, "tcp") == .fail, "nobody answers where join leads")
                #expect(down.checks.filter { $0.outcome != .ok }.allSatisfy { $0.remedy != nil }, "\(down.checks)")

                chmod("\(cluster.certificates("kitale"))/key.pem", 0o644)
                #expect(try await outcome(examine(cluster, yaml).checks, "key_mode") == .warn)
                _ = try cluster.authority.issue(
                    role: .node, name: NodeName("other"), ips: ["127.0.0.1"], into: "\(cluster.path)/other")
                try FileManager.default.removeItem(atPath: "\(cluster.certificates("kitale"))/key.pem")
                try FileManager.default.copyItem(
                    atPath: "\(cluster.path)/other/key.pem", toPath: "\(cluster.certificates("kitale"))/key.pem")
                #expect(try await outcome(examine(cluster, yaml).checks, "certificate") == .fail)

                try await write("bnid: 127.0.0.1")
                let wrong = try await examine(cluster, yaml)
                let configuration = wrong.checks.first { $0.name == "configuration" }
                #expect(configuration?.outcome == .fail && configuration?.text.contains("\"bind\"") == true)
            }
        }

        @Test("peers are called with the certificate that the agent got itself, when the operator's is over")
        func renewed() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kitale", ["ca": "\(cluster.path)/ca"])
                try await cluster.add("lodwar")
                let place = cluster.certificates("lodwar")
                let now = Int64(Date().timeIntervalSince1970)
                /// Of an hour that began so many seconds ago.
                func issue(_ age: Int64) throws {
                    try FileManager.default.removeItem(atPath: place)
                    _ = try cluster.authority.issue(
                        role: .node, name: NodeName("lodwar"), ips: ["127.0.0.1"], validity: .seconds(3_600),
                        now: now - age, into: place)
                }
                try issue(3_000)
                try await cluster.start("lodwar", joining: ["kitale"])
                let own = "\(cluster.path)/lodwar.data/certs"
                try await Patience.wait(atMost: .seconds(60), for: "a new certificate") {
                    let sets = (try? FileManager.default.contentsOfDirectory(atPath: own)) ?? []
                    // It has its name when it is whole.
                    return sets.contains { UInt32($0) != nil } ? .done(()) : .notYet("\(sets)")
                }
                try issue(7_200)
                try await cluster.settled(["kitale", "lodwar"])
                let yaml = "\(cluster.path)/lodwar.yaml"
                try Data(
                    """
                    bind: "\(try await cluster.endpoint("lodwar"))"
                    certs: \(place)
                    data_dir: \(cluster.path)/lodwar.data
                    socket: \(cluster.socket("lodwar"))
                    """.utf8
                ).write(to: URL(filePath: yaml))
                for certs in [[], ["--certs", place]] {
                    let ran = try await cluster.run(TestCluster.roost, ["doctor", "--config", yaml, "--json"] + certs)
                    let checks = try API.JSON.decode(API.Checkup.self, from: Array(ran.output.utf8)).checks
                    #expect(outcome(checks, "certificate") == .ok, "\(checks)")
                    #expect(outcome(checks, "tcp") == .ok, "\(checks)")
                }
            }
        }
    }
}

extension API.Check.Outcome {
    fileprivate var gravity: Int {
        switch self {
        case .ok: 0
        case .warn: 1
        case .fail: 2
        }
    }
}
