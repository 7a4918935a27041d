import Authority
import Foundation
import NIOCore
import NIOEmbedded
import Vocabulary

@testable import TLS

/// Both ends of a connection over `TLSHandler`, the server's behind its `Vestibule` or not, and somebody on the path
/// between them, or in the place of one, who cuts, changes, drops, repeats and adds bytes as the input says.
///
/// The first byte says who is attacked and when; the rest is a script (`Attack`) or, for a stranger's bytes, those bytes.
/// The ends' keys are fresh in each handshake, so that it is the attack which an input repeats, not each byte.
struct TLSSubject: Subject {
    private let contexts: [TLSContext]

    init() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/roost-fuzz-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let authority = try CertificateAuthority.create(folder: folder + "/ca", cluster: ClusterName("savanna"))
        contexts = try ["simba", "chui"].map { name in
            _ = try authority.issue(role: .node, name: NodeName(name), into: "\(folder)/\(name)")
            return try TLSContext(credentials: Credentials(folder: "\(folder)/\(name)"))
        }
    }

    func run(_ input: [UInt8]) throws {
        guard let first = input.first else { return }
        let victim: Attack.Side = first & 1 == 0 ? .server : .client
        var script = Script(input.dropFirst())
        var attack = try Attack(
            contexts[0], contexts[1], victim: victim, hasDoor: first & 8 != 0, isWhole: first & 16 != 0)
        defer { attack.end() }
        switch first >> 1 & 3 {
        case 0: try attack.stranger(&script)
        case 1: try attack.run(&script)
        default:
            try attack.handshake()
            try attack.run(&script)
        }
        try attack.judge()
    }

    func seeds() throws -> [[UInt8]] {
        var seeds: [[UInt8]] = []
        // The first flights themselves, in pieces of several sizes.
        for victim in [Attack.Side.server, .client] {
            let attack = try Attack(contexts[0], contexts[1], victim: victim, hasDoor: false, isWhole: false)
            let flight = try attack.firstFlight()
            attack.end()
            let kind: UInt8 = victim == .server ? 0 : 1
            for piece: UInt8 in [0, 1, 200] { seeds.append([kind, piece] + flight) }
        }
        seeds.append([0, 0] + Array("GET / HTTP/1.1\r\n\r\n".utf8))
        for role: UInt8 in [0, 1] {
            // Each step of `Attack` alone and some in a row: in the handshake, after it, and with the door open.
            for step in 0..<UInt8(Attack.steps) {
                seeds.append([role | 2, step, 9, 3, 12, 40])
                seeds.append([role | 4, 5, 100, step, 30, 2, 12, 0, 5, 40, 12])
            }
            seeds.append([role | 4, 5, 200, 0, 60, 11, 0, 4, 9, 12, 6, 0, 12, 7, 0, 12, 8, 6])
            seeds.append([role | 10, 12, 2, 5, 1, 2, 3, 4, 5, 12])
        }
        // The same through the server's first reader, in whose way the fewest bytes of a record are.
        return seeds + seeds.filter { $0[0] & 1 == 0 }.map { [$0[0] | 16] + $0.dropFirst() }
    }
}
