import Authority
import Client
import FoundationEssentials
import Glibc
import NIOCore
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("who may not come in, and what may not be said")
    struct RefusalTests {
        private func stillServes(_ cluster: TestCluster, _ name: String) async throws {
            let client = try await cluster.client(name)
            let (bytes, _) = try await client.getBytes("kept")
            #expect(bytes == [1, 2, 3])
            let status = try await client.status()
            #expect(status.members.alive == 1 && status.resources.held == 1)
            await client.close()
        }

        /// openssl's own client: what an outsider has at hand.
        private func sClient(_ cluster: TestCluster, _ endpoint: Endpoint, _ more: [String]) async throws -> String {
            try await cluster.run(
                "/usr/bin/openssl",
                ["s_client", "-connect", "\(endpoint)", "-alpn", "http/1.1", "-ign_eof"] + more, within: .seconds(60)
            ).output
        }

        @Test("foreign, expired and missing certificates, TLS 1.2, plain HTTP and noise are refused and change nothing")
        func strangers() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("lodwar")
                try await cluster.put("kept", [1, 2, 3], through: cluster.client("lodwar"))
                let endpoint = try await cluster.endpoint("lodwar")

                let other = try CertificateAuthority.create(
                    folder: "\(cluster.path)/other", cluster: ClusterName(TestCluster.name))
                _ = try other.issue(role: .admin, name: NodeName("eve"), into: "\(cluster.path)/eve")
                let both = ["eve/ca.pem", "certs/client/ca.pem"].map { "\(cluster.path)/\($0)" }
                let trust = try both.map { try String(contentsOfFile: $0, encoding: .utf8) }.joined()
                try trust.write(toFile: both[0], atomically: true, encoding: .utf8)
                let eve = try AgentClient(agents: [.https(endpoint)], certificates: "\(cluster.path)/eve")
                do {
                    _ = try await eve.status()
                    Issue.record("a certificate of another CA was accepted")
                } catch ClientError.refused(_, let cause, _) {
                    #expect(cause.contains("unknown CA"), "\(cause)")
                }

                let yesterday = Int64(Date().timeIntervalSince1970) - 86_400
                _ = try cluster.authority.issue(
                    role: .client, name: NodeName("late"), validity: .seconds(3600), now: yesterday,
                    into: "\(cluster.path)/late")
                let late = try await sClient(
                    cluster, endpoint,
                    ["-cert", "\(cluster.path)/late/cert.pem", "-key", "\(cluster.path)/late/key.pem"])
                #expect(late.contains("certificate expired"), "\(late.suffix(600))")
                let nobody = try await sClient(cluster, endpoint, [])
                #expect(nobody.contains("certificate required"), "\(nobody.suffix(600))")
                let old = try await sClient(cluster, endpoint, ["-tls1_2"])
                #expect(old.contains("protocol version"), "\(old.suffix(600))")

                let http = try RawConnection(endpoint)
                http.write(Array("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
                let answer = try #require(http.readToEnd(milliseconds: 30_000), "plain HTTP was not cut off")
                #expect(!String(decoding: answer, as: UTF8.self).contains("node"))

                var random = SystemRandomNumberGenerator()
                for count in [1, 5, 300, 20_000] {
                    let noise = try RawConnection(endpoint)
                    noise.write((0..<count).map { _ in UInt8.random(in: 0...255, using: &random) | 0x80 })
                    if count >= 5 { #expect(noise.readToEnd(milliseconds: 30_000) != nil, "\(count) bytes of noise") }
                }
                try RawConnection.sendDatagrams(
                    (0..<2000).map { number in
                        (0..<(number * 7 % 1500)).map { _ in UInt8.random(in: 0...255, using: &random) }
                    }, to: endpoint)
                try await stillServes(cluster, "lodwar")
                let log = try cluster.logText("lodwar")
                #expect(log.contains("plain HTTP"))
            }
        }

        @Test("names that no resource may have are a 400 with the reason, and nothing is kept")
        func names() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("lodwar")
                let client = try await cluster.client("lodwar")
                try await cluster.put("kept", [1, 2, 3], through: client)
                let longest = String(repeating: "n", count: 512)
                _ = try await client.put(longest, bytes: [9])
                _ = try await client.delete(longest)
                let bad = [
                    longest + "n", "..", ".", "a/../b", "../../etc/passwd", "a//b", "/a", "a/", "a%00b", "a%0Ab", "%FF",
                    "%2e%2e/x", "a%2F..%2Fb",
                ]
                for name in bad {
                    for method in ["PUT", "GET", "DELETE"] {
                        let request = ClientRequest(
                            method, "/v1/resources/" + name,
                            body: method == "PUT" ? .bytes(ByteBuffer(bytes: [1])) : .none)
                        let response = try await client.send(request)
                        #expect(response.status == 400, "\(method) \(name.prefix(40)): \(response.status)")
                        let body = try await response.body.collect(upTo: 65_536)
                        let problem = try API.JSON.decode(API.ErrorBody.self, from: body.readableBytesView).error
                        #expect(!problem.message.isEmpty)
                    }
                }
                try await stillServes(cluster, "lodwar")
            }
        }

        @Test("on the command line such names are wrong usage, and no agent is asked")
        func namesAsArguments() async throws {
            try await TestCluster.run { cluster in
                for verb in ["get", "history", "where", "rm"] {
                    for name in ["", "../up", "a//b"] {
                        let ran = try await cluster.run(TestCluster.roost, [verb, name, "--agent", "unix:/nowhere"])
                        #expect(ran.ending == .exited(64), "\(verb) \(name): \(ran.output)")
                        #expect(ran.output.contains("a resource's name must not"), "\(ran.output)")
                    }
                }
                let put = try await cluster.run(TestCluster.roost, ["put", "/etc/hostname", "", "--agent", "unix:/no"])
                #expect(put.ending == .exited(64), "\(put.output)")
                let script = "exec \"$0\" get \"$(printf 'n\\377')\" --agent unix:/nowhere"
                let other = try await cluster.run("/bin/sh", ["-c", script, TestCluster.roost])
                #expect(other.ending == .exited(64) && other.output.contains("is not UTF-8"), "\(other.output)")
            }
        }

        @Test("a reader may read, and the command line says 77 when it writes; 66 for what is not there; 69 for nobody")
        func roles() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("lodwar")
                try await cluster.put("kept", [1, 2, 3], through: cluster.client("lodwar"))
                let agent = "https://\(try await cluster.endpoint("lodwar"))"
                func roost(_ arguments: String..., role: String = "reader") async throws -> TestCluster.Ran {
                    try await cluster.run(
                        TestCluster.roost,
                        arguments + ["--agent", agent, "--certs", cluster.certificates(role)])
                }
                #expect(try await roost("get", "kept", "-o", "\(cluster.path)/got").ending == .exited(0))
                let put = try await roost("put", "\(cluster.path)/got", "mine")
                #expect(put.ending == .exited(77), "\(put.output)")
                let none = try await roost("get", "none", "-o", "\(cluster.path)/none")
                #expect(none.ending == .exited(66), "\(none.output)")
                #expect(access("\(cluster.path)/none", F_OK) != 0)
                let up = try await roost("put", "\(cluster.path)/got", "../up", role: "client")
                #expect(up.ending == .exited(64), "\(up.output)")
                let leave = try await roost("leave", role: "client")
                #expect(leave.ending == .exited(77), "\(leave.output)")
                let port = try FreePort.find()
                let nobody = try await cluster.run(
                    TestCluster.roost,
                    ["status", "--agent", "https://127.0.0.1:\(port)", "--certs", cluster.certificates("reader")])
                #expect(nobody.ending == .exited(69), "\(nobody.output)")
                try await stillServes(cluster, "lodwar")
            }
        }
    }
}
