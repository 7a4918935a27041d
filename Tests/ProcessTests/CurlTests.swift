import Client
import FoundationEssentials
import Testing
import Vocabulary

@testable import roost

extension ProcessTests {
    /// The API is HTTP: what the README does with curl works with curl.
    @Suite("curl")
    struct CurlTests {
        @Test("puts, gets, resumes and deletes as the README says, and is refused without a certificate")
        func story() async throws {
            try await TestCluster.run { cluster in
                try await cluster.start("embu")
                try await cluster.start("garissa", joining: ["embu"])
                try await cluster.settled(["embu", "garissa"])
                let certificates = cluster.certificates("client")
                func url(_ node: String) async throws -> String {
                    "https://\(try await cluster.endpoint(node))/v1/resources/docs/hello.txt"
                }
                func curl(_ arguments: String..., certified: Bool = true) async throws -> TestCluster.Ran {
                    let identity = ["--cert", "\(certificates)/cert.pem", "--key", "\(certificates)/key.pem"]
                    return try await cluster.run(
                        "/usr/bin/curl",
                        ["-sS", "--max-time", "60", "--cacert", "\(certificates)/ca.pem"]
                            + (certified ? identity : []) + arguments)
                }
                let source = "\(cluster.path)/hello.txt"
                try "hello savanna\n".write(toFile: source, atomically: true, encoding: .utf8)
                // A 503 says to try again, and --retry does.
                let put = try await curl("--retry", "10", "-T", source, "-w", "%{http_code}", url("embu"))
                #expect(put.output.hasSuffix("\n201"), "\(put.output)")

                let got = try await curl(url("garissa"))
                #expect(got.ending == .exited(0) && got.output == "hello savanna\n", "\(got.output)")
                let part = try await curl("-r", "6-", url("garissa"))
                #expect(part.output == "savanna\n")
                let head = try await curl("-I", url("garissa"))
                #expect(head.output.lowercased().contains("roost-node: "), "\(head.output)")
                #expect(head.output.contains("HTTP/1.1 200"))

                let stranger = try await curl(url("embu"), certified: false)
                #expect(stranger.ending != .exited(0) && !stranger.output.contains("savanna"), "\(stranger.output)")
                let deleted = try await curl("-X", "DELETE", "-w", "%{http_code}", url("embu"))
                #expect(deleted.output.hasSuffix("200"), "\(deleted.output)")
                let gone = try await curl("-o", "/dev/null", "-w", "%{http_code}", url("garissa"))
                #expect(gone.output == "404")
            }
        }
    }
}
