import Authority
import Client
import FoundationEssentials
import Glibc
import NIOPosix
import TLS
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("an agent's life")
    struct LifecycleTests {
        @Test("leave.on_stop: false stops without a farewell, and a restart within the delay moves nothing")
        func stopWithoutLeaving() async throws {
            try await TestCluster.run { cluster in
                let settings = ["leave.on_stop": "false", "relocation.delay": "1h"]
                try await cluster.start("kakamega", settings)
                try await cluster.start("siaya", joining: ["kakamega"], settings)
                try await cluster.settled(["kakamega", "siaya"])
                let writer = try await cluster.client("kakamega")
                for number in 0..<5 { try await cluster.put("kept/\(number)", [UInt8(number)], through: writer) }
                await writer.close()

                #expect(try await cluster.stop("siaya") == .exited(0))
                try await cluster.start("siaya", joining: ["kakamega"], settings)
                try await cluster.settled(["kakamega", "siaya"])
                for node in ["kakamega", "siaya"] {
                    let client = try await cluster.client(node)
                    let held = try await client.status().resources.held
                    #expect(held == 5)
                    await client.close()
                }
                #expect(try await cluster.client("siaya").status().moves.bytes == 0)
                let events = try await cluster.run(
                    TestCluster.roost, ["events", "--agent", "unix:\(cluster.socket("kakamega"))"])
                #expect(events.output.contains("siaya") && !events.output.contains("left"), "\(events.output)")
            }
        }

        @Test("a leave shows on a terminal how far it is, and elsewhere its end alone")
        func leaveBar() async throws {
            try await TestCluster.run { cluster in
                let names = ["kakamega", "siaya", "busia"]
                try await cluster.start(names[0])
                for name in names.dropFirst() { try await cluster.start(name, joining: [names[0]]) }
                try await cluster.settled(names)
                let writer = try await cluster.client(names[0])
                for number in 0..<12 {
                    try await cluster.put("held/\(number)", Sample.bytes(100_000, seed: number), through: writer)
                }
                await writer.close()
                let command = "\(TestCluster.roost) leave --agent unix:\(cluster.socket(names[2]))"
                // One that is to take over stands still until the bar is there: however fast the machine, there is one.
                let silent = try await cluster.process(names[1])
                await silent.send(SIGSTOP)
                let leave = try await cluster.launch("/usr/bin/script", ["-qec", command, "/dev/null"])
                func shown() throws -> String { try String(contentsOfFile: leave.logPath, encoding: .utf8) }
                let bar = /leaving +\d+% \[[#-]{20}\]  \d+ of ([1-9]\d*) resources  [0-9.]+ \w+ of [1-9][0-9.]* [KM]iB/
                let first = try await Patience.wait(atMost: .seconds(60), for: "the bar") {
                    let text = try shown()
                    return try bar.firstMatch(in: text).map { .done("\($0.output.1)") } ?? .notYet(text)
                }
                await silent.send(SIGCONT)
                let ending = try await leave.end(within: .seconds(60))
                let text = try shown()
                #expect(ending == .exited(0) && text.contains("busia has left: "), "\(text)")
                #expect((Int(first) ?? 0) <= 12)
                let shares = text.matches(of: bar).compactMap { Int($0.output.1) }
                #expect(shares == shares.sorted(), "the total is the most that was left: \(shares)")
                try await cluster.settled(Array(names.dropLast()))
                let piped = try await cluster.run(
                    TestCluster.roost, ["leave", "--agent", "unix:\(cluster.socket(names[1]))"])
                #expect(piped.ending == .exited(0) && piped.output.contains("siaya has left: "), "\(piped.output)")
                #expect(!piped.output.contains(" resources"), "\(piped.output)")
                let status = try await cluster.client(names[0]).status()
                #expect(status.resources.held == 12)
            }
        }

        @Test("SIGHUP brings a new certificate to new connections, and those that are open stay and serve")
        func reload() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kakamega")
                let address = AgentAddress.https(try await cluster.endpoint("kakamega"))
                let context = try TLSContext(credentials: Credentials(folder: cluster.certificates("client")))
                func connect() async throws -> ClientConnection {
                    try await ClientConnection.connect(
                        to: address, tls: context, timeout: .seconds(20),
                        eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
                }
                func serves(_ connection: ClientConnection) async throws -> Bool {
                    let response = try await connection.send(ClientRequest("GET", "/v1/status"))
                    await response.body.discard()
                    return response.status == 200
                }
                let before = try await connect()
                #expect(try await serves(before))

                let renewed = "\(cluster.path)/renewed"
                _ = try cluster.authority.issue(
                    role: .node, name: NodeName("kakamega"), ips: ["127.0.0.1"], into: renewed)
                for file in ["cert.pem", "key.pem"] {
                    try #require(rename("\(renewed)/\(file)", "\(cluster.certificates("kakamega"))/\(file)") == 0)
                }
                try await cluster.process("kakamega").send(SIGHUP)
                let after = try await Patience.wait(atMost: .seconds(60), for: "the new certificate") {
                    let connection = try await connect()
                    let isNew = connection.remoteIdentity?.serial != before.remoteIdentity?.serial
                    if !isNew { await connection.close() }
                    return isNew ? .done(connection) : .notYet("the old one")
                }
                #expect(try await serves(after))
                #expect(before.isOpen)
                #expect(try await serves(before))
                await before.close()
                await after.close()
            }
        }

        @Test("whoever may open the unix socket is admin; over TLS the role of the certificate decides")
        func socketIsAdmin() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("kakamega")
                let local = try AgentClient(agents: [.unix(path: cluster.socket("kakamega"))], certificates: nil)
                try await cluster.put("by/socket", [1], through: local)
                #expect(try await local.keys().keys.count == 1)
                let forgotten = try await local.ask("POST", "/v1/forget", body: Array(#"{"node":"nobody"}"#.utf8))
                #expect(forgotten.status == 404 && forgotten.errorCode == "no_such_node")

                for role in [Role.reader, .client] {
                    let remote = try await cluster.client("kakamega", role: role)
                    #expect(try await remote.ask("GET", "/v1/resources/by/socket").body == [1])
                    #expect(try await remote.ask("GET", "/v1/keys").status == 403)
                    let body = Array(#"{"node":"kakamega"}"#.utf8)
                    #expect(try await remote.ask("POST", "/v1/forget", body: body).status == 403)
                    let put = try await remote.ask("PUT", "/v1/resources/by/\(role)", body: [2])
                    #expect(put.status == (role == .client ? 201 : 403))
                    await remote.close()
                }
                var status = stat()
                try #require(stat(cluster.socket("kakamega"), &status) == 0)
                #expect(status.st_mode & 0o007 == 0, "others can not open it")
                await local.close()
            }
        }
    }
}
