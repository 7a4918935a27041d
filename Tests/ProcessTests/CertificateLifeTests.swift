import Authority
import Client
import FoundationEssentials
import NIOPosix
import TLS
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    @Suite("an agent's certificates while it runs")
    struct CertificateLifeTests {
        private func connect(_ cluster: TestCluster) async throws -> ClientConnection {
            try await ClientConnection.connect(
                to: .https(try await cluster.endpoint("lodwar")),
                tls: TLSContext(credentials: Credentials(folder: cluster.certificates("client"))), expecting: .anyNode,
                timeout: .seconds(20), eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
        }

        private func serial(_ cluster: TestCluster) async throws -> String {
            let connection = try await connect(cluster)
            let serial = connection.remoteIdentity?.serial
            await connection.close()
            return try #require(serial)
        }

        @Test(
            "new files are taken up by themselves, half a set is not, no connection is dropped, and a near end is told")
        func renewal() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("lodwar")
                let first = try await serial(cluster)
                let kept = try await connect(cluster)
                func keptAnswers() async throws {
                    let answer = try await kept.send(ClientRequest("GET", "/v1/status"))
                    #expect(answer.status == 200)
                    await answer.body.discard()
                }
                try await keptAnswers()

                // Valid for an hour, of which ten minutes are left.
                let now = Int64(Date().timeIntervalSince1970)
                let fresh = "\(cluster.path)/fresh"
                _ = try cluster.authority.issue(
                    role: .node, name: NodeName("lodwar"), ips: ["127.0.0.1"], validity: .seconds(3_600),
                    now: now - 3_000, into: fresh)
                let place = cluster.certificates("lodwar")
                func put(_ file: String) throws {
                    try FileManager.default.removeItem(atPath: "\(place)/\(file)")
                    try FileManager.default.copyItem(atPath: "\(fresh)/\(file)", toPath: "\(place)/\(file)")
                }
                try put("cert.pem")
                try await Patience.wait(atMost: .seconds(60), for: "the warning of half a set") {
                    try cluster.logText("lodwar").contains("could not read the certificates; kept the old ones")
                        ? .done(()) : .notYet("nothing in the log")
                }
                #expect(try await serial(cluster) == first)
                try put("key.pem")
                try await Patience.wait(atMost: .seconds(60), for: "the new certificate") {
                    let now = try await serial(cluster)
                    return now != first ? .done(()) : .notYet("serial \(now)")
                }
                try await keptAnswers()
                await kept.close()

                try await Patience.wait(atMost: .seconds(30), for: "the warning") {
                    try cluster.logText("lodwar").contains("this node's certificate expires soon")
                        ? .done(()) : .notYet("nothing in the log")
                }
                let client = try await cluster.client("lodwar")
                let status = try await client.status()
                #expect(status.certificate.expiresSoon == true && status.certificate.caExpiresSoon == false)
                let metrics = String(decoding: try await client.ask("GET", "/metrics").body, as: UTF8.self)
                let left = metrics.split(separator: "\n").first {
                    $0.hasPrefix("roost_certificate_expiry_seconds{certificate=\"node\"}")
                }
                let seconds = left.flatMap { $0.split(separator: " ").last }.flatMap { Int($0) }
                #expect((1...600).contains(try #require(seconds)), "\(left ?? "")")
                #expect(metrics.contains("\nroost_certificate_expires_soon{certificate=\"node\"} 1\n"))
                #expect(metrics.contains("\nroost_certificate_expires_soon{certificate=\"ca\"} 0\n"))
                await client.close()
                let warnings = try cluster.logText("lodwar").split(separator: "\n").count {
                    $0.contains("kept the old ones")
                }
                #expect(warnings == 1, "once for one state of the files")
            }
        }
    }
}
