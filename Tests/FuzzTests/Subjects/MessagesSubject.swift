import Authority
import Client
import Foundation
import Gossip
import NIOCore
import Node
import Placement
import Relocation
import Resources
import SWIM
import Vocabulary

@testable import Agent

/// What another node sends or answers with, and that this node finds on its disk from an earlier life: members, keys,
/// listings, versions. The first byte says which kind is read.
struct MessagesSubject: Subject {
    private let kinds: [Kind]

    /// Their order is part of the corpus: new ones go to the end.
    init() throws {
        kinds = [
            Kind(MembersExchange.self, try Self.exchanges()) { exchange in
                _ = exchange.absences
                try Self.judge(exchange.claims)
                _ = MembersDigest(
                    node: exchange.node, holds: exchange.holds, claims: exchange.claims, keyring: exchange.keyring,
                    revoked: exchange.revoked)
                try demand(exchange.keyring.keys.count <= Keyring.heldMax, "a keyring has its bound")
            },
            Kind(MemberProbe.self, [MemberProbe(node: try NodeName("simba"), claims: try Samples.claims())]) {
                try Self.judge($0.claims)
            },
            Kind(CertificatesRequest.self, [CertificatesRequest(wanted: [try NodeName("simba")])]),
            Kind(CertificatesReply.self, [CertificatesReply(certificates: [CertificateChain([[1, 2], [3]])])]),
            Kind(TagsRequest.self, [TagsRequest(wanted: TagsDigest(bytes: 0..<16).map { [$0] } ?? [])]),
            Kind(TagsReply.self, [TagsReply(tags: [Data(try Tags(["rack": "7"]).encoded)])]) { reply in
                for tags in reply.tags { _ = Tags(encoded: [UInt8](tags)) }
            },
            Kind(
                HolderQuestion.self,
                [HolderQuestion(claim: try Samples.claims()[0], certificates: [CertificateChain([[1]])])]),
            Kind(
                HolderAnswer.self,
                [HolderAnswer(node: try NodeName("a"), epoch: 5, endpoint: try Endpoint(host: "::1", port: 1))]),
            Kind(WriteOrder.self, try Self.orders()),
            Kind(
                WriteReceipt.self,
                [
                    WriteReceipt(
                        version: try Samples.versions()[1], copies: [try NodeName("simba")], wanted: 2, replaced: true,
                        route: [try NodeName("chui"), try NodeName("simba")])
                ]),
            Kind([
                PeerListing(entries: try Samples.versions().map { .init(head: $0, conflicts: 1) }, truncated: true)
                    .bytes
            ]) { bytes in
                guard let listing = try? PeerListing(bytes[...]) else { return }
                try demand(listing.bytes == bytes || bytes.first.map { $0 > 1 } == true, "a listing has one form")
            },
            Kind(
                PeerVersions.self,
                [
                    PeerVersions(
                        Testimony(
                            versions: try Samples.versions(), isBehind: true,
                            elsewhere: try Samples.versions().map(\.dot)))
                ]
            ) { try Self.judge($0.testimony.versions) },
            Kind(PeerHoldings.self, [PeerHoldings(groups: [try Self.group()], bytesPerSecond: 1.5e6, free: 1_000)]),
            Kind([
                CompareRequest(slots: SlotSet([try Self.group().key.slot]), groups: [try Self.status()]).bytes,
                CompareRequest(slots: SlotSet.all, groups: [], shared: try Self.status().digest).bytes,
            ]) { bytes in
                guard let request = try? CompareRequest(bytes[...]) else { return }
                try demand(request.slots.count == request.slots.count { _ in true }, "slots are counted")
                try demand(try CompareRequest(request.bytes[...]) == request, "it is read as it was written")
            },
            Kind([
                CompareReply(
                    groups: [try Self.status()], counted: false,
                    newer: [HolderOfNewer(holder: try NodeName("simba"), slots: SlotSet([try Self.status().key.slot]))],
                    noRoom: SlotSet([try Self.status().key.slot])
                ).bytes(.second)
            ]) { bytes in
                guard let reply = try? CompareReply(bytes[...], .second) else { return }
                try demand(
                    try CompareReply(reply.bytes(.second)[...], .second) == reply, "it is read as it was written")
            },
            Kind([
                SumsRequest(
                    slots: SlotSet([try Self.group().key.slot]), ring: try Self.status().digest,
                    sums: [try Self.status().digest], groups: [try Self.status()]
                ).bytes
            ]) { bytes in
                guard let request = try? SumsRequest(bytes[...]) else { return }
                try demand(request.sums.count == request.slots.spans.count, "there is a sum for each span")
                try demand(try SumsRequest(request.bytes[...]) == request, "it is read as it was written")
            },
            Kind([
                SumsReply(
                    same: SlotSet.all, groups: [try Self.status()],
                    newer: [HolderOfNewer(holder: try NodeName("simba"), slots: SlotSet([try Self.status().key.slot]))]
                ).bytes
            ]) { bytes in
                guard let reply = try? SumsReply(bytes[...]) else { return }
                try demand(try SumsReply(reply.bytes[...]) == reply, "it is read as it was written")
            },
            Kind([ExchangeRequest(groups: [try Self.exchange()]).bytes(.second)]) { bytes in
                guard let request = try? ExchangeRequest(bytes[...], .second) else { return }
                try demand(
                    try ExchangeRequest(request.bytes(.second)[...], .second) == request, "it is read as it was written"
                )
                for group in request.groups {
                    _ = ExchangeFinding(asked: group, mine: group.sets, owner: true, copies: 1)
                }
            },
            Kind([
                ExchangeReply(findings: [
                    ExchangeFinding(asked: try Self.exchange(), mine: [], owner: false, copies: 2, keeps: true)
                ]).bytes(.second)
            ]) { bytes in
                guard let reply = try? ExchangeReply(bytes[...], .second) else { return }
                try demand(
                    try ExchangeReply(reply.bytes(.second)[...], .second) == reply, "it is read as it was written")
            },
            Kind(OfferRequest.self, [OfferRequest(version: try Samples.versions()[0], status: try Self.status())]),
            Kind(OfferReply.self, [OfferReply(status: try Self.status(), rival: try Samples.dot("simba", 9))]),
            Kind(KeyKeeper.Saved.self, [KeyKeeper.Saved(keys: try Self.keyring(), retired: nil)]),
            Kind(MembersDigest.self, [MembersDigest(node: try NodeName("a"), digest: "00ff", holds: 3)]),
            Kind([String].self, [["roost://savanna/node/simba"]]) { _ in },
            Kind(Invitation.self, []),
            Kind(IssuedCertificate.self, [Self.issued(try CertificateName(uri: "roost://savanna/node/simba"))]),
            Kind(API.ErrorBody.self, [API.ErrorBody(code: "not_found", message: "there is none", hint: "ls")]) {
                let shown = $0.printable.error
                for text in [shown.code, shown.message, shown.hint ?? ""] {
                    try demand(
                        text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control },
                        "another's words bring no control characters", text.debugDescription)
                }
            },
            Kind([Claim].self, [try Samples.claims()]) { claims in
                try Self.judge(claims)
                _ = try SavedMembers(try API.JSON.encode(claims), me: NodeName("simba")) { _ in }
            },
            Kind(BlobsRequest.self, [BlobsRequest(wanted: try Samples.versions().compactMap(\.digest))]),
            Kind([Self.frames()]) { bytes in
                for count in 0...3 {
                    guard let blobs = BlobFrames.read(ByteBuffer(bytes: bytes), count: count) else { continue }
                    var again = ByteBuffer()
                    for blob in blobs { BlobFrames.add(blob, to: &again) }
                    try demand(again == ByteBuffer(bytes: bytes), "an answer of blobs has one form")
                }
            },
            Kind(
                OrderBegin.self,
                [
                    OrderBegin(id: WriteOrders.ID(epoch: 1_700_000_000_000, number: 9), attempt: try Self.attempt())
                ]),
            Kind([try Self.tombstones().bytes]) { bytes in
                guard let request = try? TombstoneRequest(bytes[...]) else { return }
                try demand(try TombstoneRequest(request.bytes[...]) == request, "it is read as it was written")
                try demand(request.confirmed(by: [:]) == request.sets, "of what is not held all may be forgotten")
            },
            Kind([
                TombstoneReply(
                    confirmed: try Self.tombstones().sets.map(\.name),
                    unlisted: [try NodeName("chui"): Life(epoch: 5, incarnation: 2)]
                ).bytes
            ]) { bytes in
                guard let reply = try? TombstoneReply(bytes[...]) else { return }
                try demand(try TombstoneReply(reply.bytes[...]) == reply, "it is read as it was written")
            },
        ]
    }

    func run(_ input: [UInt8]) throws {
        guard let first = input.first else { return }
        try kinds[Int(first) % kinds.count].run(Array(input.dropFirst()))
    }

    func seeds() throws -> [[UInt8]] {
        kinds.enumerated().flatMap { index, kind in kind.samples.map { [UInt8(index)] + $0 } }
    }

    private static func tombstones() throws -> TombstoneRequest {
        let sets = try Samples.versions().filter(\.isTombstone).map { VersionSet($0) }
        return TombstoneRequest(members: [try NodeName("simba"), try NodeName("chui")], sets: sets, isLast: true)
    }

    /// Claims come by JSON and go on by datagram: what is taken from the one must fit the other.
    private static func judge(_ claims: [Claim]) throws {
        for claim in claims {
            try demand(claim.wireSize <= Claim.wireSizeMax, "a claim has its bound", "\(claim.wireSize)")
            let bytes = PacketCodec.encode(Packet(from: claim.name, message: .gossip, claims: [claim]))
            let packet = try? PacketCodec.decode(bytes[...])
            try demand(packet?.claims.count == 1, "what came by JSON can be told by datagram", "\(claim)")
            try demand(
                PacketCodec.encode(packet ?? Packet(from: claim.name, message: .nack(SequenceNumber(0)), claims: []))
                    == bytes, "and says the same there", "\(claim)")
        }
    }

    private static func judge(_ versions: [Version]) throws {
        guard let set = VersionSet(versions) else { return }
        try demand(set.versions.count <= VersionSet.versionCountMax, "a history has its bound")
        try demand(set.merged(with: versions).dominates(set), "who has merged a set needs nothing of it")
    }

    // MARK: Samples

    private static func frames() -> [UInt8] {
        var answer = ByteBuffer()
        for blob in [ByteBuffer(string: "lion"), nil] { BlobFrames.add(blob, to: &answer) }
        return Array(buffer: answer)
    }

    private static func keyring() throws -> Keyring {
        let keys = (1...2).compactMap { number in
            ClusterKey(
                id: UInt32(number), createdAt: UInt64(number), bytes: [UInt8](repeating: 7, count: 32), revocations: 1)
        }
        return Keyring(keys)
    }

    private static func exchanges() throws -> [MembersExchange] {
        let plain = MembersExchange(
            node: try NodeName("simba"), claims: try Samples.claims(), keyring: try keyring(),
            revoked: ["roost://savanna/node/fisi"], holds: 12)
        var joining = plain
        joining.claims = []
        joining.seenAs = "10.0.0.7"
        joining.joining = true
        joining.remembered = [try NodeName("chui")]
        joining.certificates = [CertificateChain([[1, 2, 3]])]
        joining.keeping = ["fisi": 29_000, "chui": -1]
        joining.lost = [try NodeName("fisi")]
        let owners = try ["fisi", "chui"].map { Candidate(name: try NodeName($0), weight: 3, zone: "a") }
        joining.losses = [ToldLoss(Loss(owners: owners, names: [try NodeName("fisi")]))]
        return [plain, joining]
    }

    private static func orders() throws -> [WriteOrder] {
        let version = try Samples.versions()[1]
        var conditions: [Precondition] = [.none, .absent, .present, .version(version.dot)]
        if let digest = version.digest { conditions.append(.digest(digest)) }
        var orders: [WriteOrder] = []
        for condition in conditions {
            orders.append(
                WriteOrder(
                    name: version.name, content: version.content, home: version.home,
                    condition: WriteOrder.Condition(condition), visited: [version.dot.node],
                    id: WriteOrders.ID(epoch: 1_700_000_000_000, number: 9), attempts: [try attempt()]))
        }
        return orders
    }

    private static func attempt() throws -> WriteAttempt {
        WriteAttempt(
            after: try Samples.versions()[1].dot, until: HybridTime(wallMilliseconds: 1_700_000_000_000, counter: 3))
    }

    private static func group() throws -> GroupSummary {
        GroupSummary(
            key: try Samples.versions()[1].group(in: ClusterName("savanna")), digest: SetDigest(high: 1, low: 2),
            names: 3, resources: 2, bytes: 4_711)
    }

    private static func status() throws -> GroupStatus {
        let group = try group()
        return GroupStatus(key: group.key, digest: group.digest, owner: true)
    }

    private static func exchange() throws -> ExchangeGroup {
        let sets = try VersionSet(Samples.versions()).map { [$0] } ?? []
        return ExchangeGroup(key: try group().key, sets: sets, copies: 1, toStandIn: true)
    }

    private static func issued(_ name: CertificateName) -> IssuedCertificate {
        IssuedCertificate(name: name, serial: "0AFF", notBefore: 1_764_000_000, notAfter: 1_800_000_000)
    }
}

/// One type that is read, mostly from JSON.
private struct Kind {
    let samples: [[UInt8]]
    let run: ([UInt8]) throws -> Void

    init(_ samples: [[UInt8]], _ run: @escaping ([UInt8]) throws -> Void) {
        self.samples = samples
        self.run = run
    }

    init<Value: Codable>(
        _ type: Value.Type, _ samples: [Value], _ judge: @escaping (Value) throws -> Void = { _ in }
    ) {
        self.samples = samples.compactMap { try? API.JSON.encode($0) }
        run = { bytes in
            guard let value = try? API.JSON.decode(Value.self, from: bytes) else { return }
            let once: [UInt8]
            let again: Value
            do {
                once = try API.JSON.encode(value)
                again = try API.JSON.decode(Value.self, from: once)
            } catch { throw BrokenLaw("what is read can be written and read", "\(type): \(error)") }
            try demand(try API.JSON.encode(again) == once, "\(type) says the same the second time")
            try judge(value)
        }
    }
}
