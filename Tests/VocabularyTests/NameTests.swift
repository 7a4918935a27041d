import Testing
import Vocabulary

@Suite("Names of nodes, clusters and certificates")
struct NameTests {
    @Test(
        "a lower-case DNS label is a name",
        arguments: ["a", "simba", "node-1", "0", "a--b", String(repeating: "x", count: 63)])
    func labels(text: String) throws {
        #expect(try NodeName(text).text == text)
        #expect(try ClusterName(text).text == text)
    }

    @Test(
        "anything else is refused, and the message repeats no control character",
        arguments: [
            "", "-a", "a-", "-", "Simba", "a.b", "a b", "a_b", "a/b", "..", "café", "ａ", "a\u{301}", "\u{0}", "a\n",
            "a\u{1B}[31m", String(repeating: "x", count: 64), String(repeating: "\u{7}", count: 100_000),
        ])
    func refused(text: String) {
        let error = #expect(throws: NameError.self) { try NodeName(text) }
        let message = error.map(String.init(describing:)) ?? ""
        #expect(message.contains("a-z"))
        #expect(message.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F })
        #expect(message.utf8.count < 700)
        #expect(throws: NameError.self) { try ClusterName(text) }
    }

    @Test("names sort by their bytes")
    func order() throws {
        let names = try ["b", "a-1", "a", "a1", "10", "9"].map { try NodeName($0) }
        #expect(names.sorted().map(\.text) == ["10", "9", "a", "a-1", "a1", "b"])
    }

    @Test("a certificate's name survives the way to its URI and back", arguments: Role.allCases)
    func certificate(role: Role) throws {
        let name = CertificateName(cluster: try ClusterName("crane"), role: role, name: try NodeName("simba"))
        #expect(name.uri == "roost://crane/\(role.rawValue)/simba")
        #expect(try CertificateName(uri: name.uri) == name)
    }

    @Test(
        "a URI of any other form is no certificate name",
        arguments: [
            "", "roost://", "roost:///node/simba", "roost://crane/node/", "roost://crane/node",
            "roost://crane/node/simba/",
            "roost://crane/root/simba", "roost://crane/NODE/simba", "ROOST://crane/node/simba",
            "https://crane/node/simba", "roost://crane//simba", "roost://crane/node/simba?x",
            "roost://crane/node/sim%62a",
            " roost://crane/node/simba", "roost://crane/node/simba\n", "roost://crane/node/simba\u{0}",
            "roost://crane/\u{301}node/simba", "roost://crane/node/\u{301}simba", "roost://cr.ane/node/simba",
            "roost://crane/node/" + String(repeating: "x", count: 64),
            "roost://" + String(repeating: "/", count: 100_000),
        ])
    func notACertificate(uri: String) {
        #expect(throws: NameError.self) { try CertificateName(uri: uri) }
    }
}

@Suite("Endpoint")
struct EndpointTests {
    @Test(
        "host, host:port, [v6]:port and bare v6 are read",
        arguments: [
            ("simba", "simba", 7667), ("simba:80", "simba", 80), ("10.0.0.1:1", "10.0.0.1", 1), ("::1", "::1", 7667),
            ("[::1]", "::1", 7667), ("[fe80::1%eth0]:65535", "fe80::1%eth0", 65_535), ("a.example.:0", "a.example.", 0),
        ])
    func parses(text: String, host: String, port: UInt16) throws {
        let endpoint = try Endpoint(parsing: text)
        #expect(endpoint.host == host)
        #expect(endpoint.port == port)
        #expect(try Endpoint(parsing: endpoint.description) == endpoint)
    }

    @Test(
        "a malformed one is refused",
        arguments: [
            "", ":", ":80", "simba:", "simba:x", "simba:+80", "simba:-1", "simba:65536", "simba: 80", "simba:８０",
            "[::1",
            "[]", "[]:80", "[::1]80", "[::1]:", "[::1]x:80", "a b", "a/b", "user@host", "simba\n", "[\u{301}::1]:80",
            "simba\u{301}:80", String(repeating: "x", count: 254), String(repeating: "[", count: 100_000),
        ])
    func refused(text: String) {
        #expect(throws: NameError.self) { try Endpoint(parsing: text) }
    }
}
