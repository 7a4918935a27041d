import Authority
import Client
import Foundation
import Glibc
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("from a bare host to a member")
    struct EnrolmentProcessTests {
        private func succeeds(
            _ cluster: TestCluster, _ arguments: [String], _ location: SourceLocation = #_sourceLocation
        ) async throws -> String {
            let ran = try await cluster.run(TestCluster.roost, arguments)
            try #require(ran.ending == .exited(0), "\(arguments): \(ran.output)", sourceLocation: location)
            return ran.output
        }

        private func refused(
            _ cluster: TestCluster, _ status: Int32, _ part: String, _ arguments: [String],
            _ location: SourceLocation = #_sourceLocation
        ) async throws {
            let ran = try await cluster.run(TestCluster.roost, arguments)
            #expect(ran.ending == .exited(status), "\(arguments): \(ran.output)", sourceLocation: location)
            #expect(ran.output.contains(part), "\(arguments): \(ran.output)", sourceLocation: location)
        }

        private func line(_ output: String) throws -> [String] {
            let line = try #require(output.split(separator: "\n").first { $0.hasPrefix("roost enroll rt1_") })
            return Array(line.split(separator: " ").dropFirst().map(String.init))
        }

        private func agent(_ cluster: TestCluster, _ name: String, _ port: UInt16) async throws -> ChildProcess {
            let process = try await cluster.launch(
                TestCluster.roost,
                [
                    "agent", "--config", "\(cluster.path)/\(name).etc/roost.yaml", "--bind", "127.0.0.1:\(port)",
                    "--data_dir", "\(cluster.path)/\(name).data", "--socket", cluster.socket(name),
                ])
            try await Patience.wait(atMost: .seconds(60), for: "\(name) to serve") { () -> Patience.Look<Void> in
                if let ending = await process.poll() {
                    let log = (try? String(contentsOfFile: process.logPath, encoding: .utf8)) ?? ""
                    throw DemoFailure("\(name) ended at its start: \(ending)\n\(log)")
                }
                let client = try AgentClient(agents: [.unix(path: cluster.socket(name))], certificates: nil)
                let status = try await client.status()
                await client.close()
                return status.phase == .serving ? .done(()) : .notYet("\(status.phase)")
            }
            return process
        }

        @Test(
            "init, invite and enroll make two members that keep what is put; a token is good once, for its time, unrevoked"
        )
        func story() async throws {
            try await TestCluster.run { cluster in
                let ports = (try FreePort.find(), try FreePort.find())
                let etc = ["mpologoma", "simba"].map { "\(cluster.path)/\($0).etc" }
                let first = [
                    "init", "--cluster", "crane", "--name", "mpologoma", "--advertise", "127.0.0.1:\(ports.0)", "--etc",
                    etc[0], "--no-start",
                ]
                #expect(try await succeeds(cluster, first).contains("roost agent --config"))
                // A run that is repeated changes nothing.
                let made = try String(contentsOfFile: "\(etc[0])/roost.yaml", encoding: .utf8)
                _ = try await succeeds(cluster, first)
                #expect(try String(contentsOfFile: "\(etc[0])/roost.yaml", encoding: .utf8) == made)
                #expect(made.contains("ca: ") && made.contains("advertise: "), "\(made)")
                try await refused(
                    cluster, 73, "of the cluster crane",
                    ["init", "--cluster", "other", "--name", "x", "--advertise", "127.0.0.1", "--etc", etc[0]])

                let agents = try await (agent(cluster, "mpologoma", ports.0), 0)
                let here = ["--agent", "unix:\(cluster.socket("mpologoma"))"]
                let invited = try await line(succeeds(cluster, ["invite"] + here))
                let revoked = try await line(succeeds(cluster, ["invite", "--expires", "2h"] + here))
                let enroll = ["--etc", etc[1], "--name", "simba", "--no-start"]

                // A letter that is wrong is told before anybody is called.
                try await refused(cluster, 64, "mistyped", ["enroll", invited[1] + "x"] + enroll)
                try await refused(cluster, 64, "no time", ["invite", "--expires", "1y"] + here)

                let list = try JSONDecoder().decode(
                    [API.Invitation].self,
                    from: Data(try await succeeds(cluster, ["invite", "list", "--json"] + here).utf8))
                #expect(list.map(\.state) == ["open", "open"])
                let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
                for (invitation, hours) in zip(list, [1.0, 2.0]) {
                    let left = try style.parse(invitation.expires).timeIntervalSinceNow
                    #expect((hours * 3600 - 60...hours * 3600).contains(left), "an hour, unless it is said: \(left)")
                }
                _ = try await succeeds(cluster, ["invite", "revoke", list[1].id] + here)
                try await refused(cluster, 77, "was revoked", revoked + enroll)
                try await refused(cluster, 66, "no invitation", ["invite", "revoke", "00"] + here)

                _ = try await succeeds(cluster, invited + enroll)
                let config = try String(contentsOfFile: "\(etc[1])/roost.yaml", encoding: .utf8)
                #expect(config.contains("join: [\"127.0.0.1:\(ports.0)\"]"), "\(config)")
                try await refused(cluster, 73, "exists", invited + enroll)
                try await refused(
                    cluster, 77, "used already", invited + ["--out", "\(cluster.path)/again", "--name", "simba"])

                let second = try await agent(cluster, "simba", ports.1)
                let local = try AgentClient(agents: [.unix(path: cluster.socket("simba"))], certificates: nil)
                try await Patience.wait(atMost: .seconds(60), for: "two members") { () -> Patience.Look<Void> in
                    let status = try await local.status()
                    return status.members.alive == 2 && status.converged ? .done(()) : .notYet("\(status.members)")
                }
                try await cluster.put("docs/a", [1, 2, 3], through: local)
                let other = try AgentClient(agents: [.unix(path: cluster.socket("mpologoma"))], certificates: nil)
                #expect(try await other.getBytes("docs/a").0 == [1, 2, 3])

                // A member's name is not given away, unless it is said.
                let open = try await line(succeeds(cluster, ["invite"] + here))
                try await refused(
                    cluster, 73, "is a member", open + ["--out", "\(cluster.path)/s2", "--name", "simba"])
                try await keepsConfigurations(cluster, open, through: here, join: "127.0.0.1:\(ports.0)")
                let bound = try await line(succeeds(cluster, ["invite", "--node", "simba"] + here))
                _ = try await succeeds(cluster, bound + ["--out", "\(cluster.path)/s2"])

                // An admin's certificate by the same way; with it, over TLS, one may invite, and a node may not.
                let admin = try await line(
                    succeeds(cluster, ["invite", "--role", "admin", "--name", "amina"] + here))
                try await refused(cluster, 64, "--out", admin)
                _ = try await succeeds(cluster, admin + ["--out", "\(cluster.path)/amina"])
                let remote = ["--agent", "https://127.0.0.1:\(ports.0)", "--certs"]
                _ = try await succeeds(cluster, ["invite"] + remote + ["\(cluster.path)/amina"])
                try await refused(cluster, 77, "may not POST", ["invite"] + remote + ["\(etc[1])/certs"])
                // The second node has no CA: what to do by hand is said.
                try await refused(
                    cluster, 73, "roost ca sign", ["invite", "--agent", "unix:\(cluster.socket("simba"))"])
                await local.close()
                await other.close()
                for process in [second, agents.0] { await process.stop() }
            }
        }

        private func configuration(_ cluster: TestCluster, _ host: String, _ text: String) throws -> String {
            let etc = "\(cluster.path)/\(host).etc"
            try FileManager.default.createDirectory(atPath: etc, withIntermediateDirectories: true)
            try text.write(toFile: "\(etc)/roost.yaml", atomically: true, encoding: .utf8)
            return etc
        }

        /// What an operator's configuration says stays: what it lacks comes behind it, and where it says something else,
        /// nobody starts an agent that would be a cluster of its own.
        private func keepsConfigurations(
            _ cluster: TestCluster, _ invited: [String], through here: [String], join: String
        ) async throws {
            let own = "# ours\nzone: kampala"
            let etc = try configuration(cluster, "own", own)
            try FileManager.default.moveItem(atPath: "\(etc)/roost.yaml", toPath: "\(etc)/kept.yaml")
            try FileManager.default.createSymbolicLink(
                atPath: "\(etc)/roost.yaml", withDestinationPath: "kept.yaml")
            try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: "\(etc)/kept.yaml")
            let owner: uid_t = geteuid() == 0 ? 65_534 : geteuid()
            try #require(chown("\(etc)/kept.yaml", owner, getegid()) == 0)
            let said = try await succeeds(cluster, invited + ["--etc", etc, "--name", "mkango", "--no-start"])
            #expect(said.contains("start the agent"), "\(said)")
            let text = try String(contentsOfFile: "\(etc)/kept.yaml", encoding: .utf8)
            #expect(text.hasPrefix(own + "\ncerts: \"\(etc)/certs\"\njoin: [") && text.hasSuffix("]\n"), "\(text)")
            #expect(text.contains("\"\(join)\""), "\(text)")
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(etc)/kept.yaml")
            #expect(attributes[.posixPermissions] as? Int == 0o640)
            #expect(attributes[.ownerAccountID] as? Int == Int(owner))
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "\(etc)/roost.yaml") == "kept.yaml")

            let other = "join: [192.0.2.1]\n"
            let third = try configuration(cluster, "third", other)
            let again = try await line(succeeds(cluster, ["invite"] + here))
            let ran = try await cluster.run(
                TestCluster.roost, again + ["--etc", third, "--name", "chui", "--no-start"])
            #expect(ran.ending == .exited(73), "\(ran.output)")
            for part in ["has join: 192.0.2.1", "nothing was started", "join: [\"", "\"\(join)\""] {
                #expect(ran.output.contains(part), "\(ran.output)")
            }
            #expect(try String(contentsOfFile: "\(third)/roost.yaml", encoding: .utf8) == other)

            // The same on the first host: with the CA elsewhere nobody could be invited.
            let first = try configuration(cluster, "first", "ca: /srv/ca\n")
            let initiate = [
                "init", "--cluster", "crane", "--name", "duma", "--advertise", "127.0.0.1", "--etc", first,
            ]
            try await refused(cluster, 73, "has ca: /srv/ca", initiate)
            #expect(try String(contentsOfFile: "\(first)/roost.yaml", encoding: .utf8) == "ca: /srv/ca\n")
            _ = try configuration(cluster, "first", "weight: 50\n")
            #expect(try await succeeds(cluster, initiate + ["--no-start"]).contains("start the agent"))
            let made = try String(contentsOfFile: "\(first)/roost.yaml", encoding: .utf8)
            #expect(made.hasPrefix("weight: 50\ncerts: ") && made.contains("\nca: \"\(first)/ca\"\n"), "\(made)")
        }

        @Test("the key is kept off the nodes: csr there, ca sign here, and what invite says makes a member")
        func byHand() async throws {
            try await TestCluster.run { cluster in
                // The CA's folder is named, and its key is elsewhere.
                let names = "\(cluster.path)/ca-without-key"
                try FileManager.default.createDirectory(atPath: names, withIntermediateDirectories: true)
                try FileManager.default.copyItem(atPath: "\(cluster.path)/ca/ca.pem", toPath: "\(names)/ca.pem")
                try await cluster.start("kitale", ["ca": names])
                let said = try await cluster.run(
                    TestCluster.roost, ["invite", "--node", "mkango", "--agent", "unix:\(cluster.socket("kitale"))"])
                #expect(said.ending == .exited(73), "\(said.output)")
                for part in ["csr --node mkango --out /etc/roost/certs", "ca sign", "systemctl enable --now roost"] {
                    #expect(said.output.contains(part), "\(said.output)")
                }
                let start = try #require(said.output.firstRange(of: "join: ["), "\(said.output)").lowerBound
                let join = try #require(said.output[start...].split(separator: ";").first)

                let host = "\(cluster.path)/host"
                _ = try await succeeds(cluster, ["csr", "--node", "mkango", "--out", host])
                _ = try await succeeds(
                    cluster,
                    [
                        "ca", "sign", "\(cluster.path)/ca", "\(host)/request.pem", "--ip", "127.0.0.1", "--out",
                        "\(cluster.path)/signed",
                    ])
                for file in ["cert.pem", "ca.pem"] {
                    try FileManager.default.moveItem(
                        atPath: "\(cluster.path)/signed/\(file)", toPath: "\(host)/\(file)")
                }
                let port = try FreePort.find()
                _ = try configuration(cluster, "mkango", "certs: \(host)\n\(join)\n")
                let process = try await agent(cluster, "mkango", port)
                let client = try await cluster.client("kitale")
                try await Patience.wait(atMost: .seconds(60), for: "a second member") {
                    let members = try await client.status().members
                    return members.alive == 2 ? .done(()) : .notYet("\(members)")
                }
                await client.close()
                await process.stop()
            }
        }
    }
}
