import Resources
import Testing
import Vocabulary

@testable import Relocation

@Suite("Exchanges as they go from node to node")
struct ExchangeFormTests {
    private func groups() -> [ExchangeGroup] {
        let first = VersionSet(World.version("a", by: "ada", home: "cid"))
        let both = first.merged(with: [World.version("a", by: "bob", time: 2000, seen: first, deleted: true)])
        return [
            ExchangeGroup(key: both.group(in: World.cluster), sets: [both], copies: 3),
            ExchangeGroup(
                key: first.group(in: World.cluster), sets: [first, VersionSet(World.version("ü", by: "ada"))], copies: 1
            ),
            ExchangeGroup(key: GroupKey(slot: Slot.first, home: nil), sets: [], copies: 0),
        ]
    }

    private func reply(full: Bool) -> ExchangeReply {
        ExchangeReply(
            full: full,
            findings: groups().map {
                ExchangeFinding(
                    asked: $0, mine: $0.sets.dropFirst() + [VersionSet(World.version("c", by: "bob"))],
                    owner: !full, copies: 2)
            })
    }

    @Test("what is told and what is found come back as they were")
    func roundTrip() throws {
        let request = ExchangeRequest(groups: groups())
        #expect(reply(full: false).findings.contains { !$0.missing.isEmpty })
        for form in PeerForm.allCases {
            #expect(try ExchangeRequest(request.bytes(form)[...], form) == request)
            for reply in [reply(full: false), reply(full: true), ExchangeReply(findings: [])] {
                #expect(try ExchangeReply(reply.bytes(form)[...], form) == reply)
            }
        }
    }

    @Test("what is said of few groups comes back with those, in the second form")
    func marks() throws {
        let all = groups()
        let last = ExchangeGroup(key: all[2].key, sets: [], copies: 0, toStandIn: true)
        let request = ExchangeRequest(groups: [all[0], all[1], last])
        #expect(try ExchangeRequest(request.bytes(.second)[...], .second) == request)
        #expect(try ExchangeRequest(request.bytes(.first)[...], .first) == ExchangeRequest(groups: all))
        let findings = all.map {
            ExchangeFinding(asked: $0, mine: $0.sets, owner: false, copies: 2, keeps: $0 == all[1])
        }
        let reply = ExchangeReply(findings: findings)
        #expect(try ExchangeReply(reply.bytes(.second)[...], .second) == reply)
        #expect(try ExchangeReply(reply.bytes(.second)[...], .second).findings.map(\.keeps) == [false, true, false])
    }

    @Test("no part of one, and none with more behind it, passes for the whole", arguments: PeerForm.allCases)
    func parts(form: PeerForm) throws {
        let request = ExchangeRequest(groups: groups()).bytes(form)
        for length in request.indices {
            #expect(throws: ByteError.truncated) { try ExchangeRequest(request.prefix(length), form) }
        }
        let found = reply(full: true).bytes(form)
        for length in found.indices {
            #expect(throws: ByteError.truncated) { try ExchangeReply(found.prefix(length), form) }
        }
        #expect(throws: ByteError.illegal) { try ExchangeRequest((request + [0])[...], form) }
        #expect(throws: ByteError.illegal) { try ExchangeReply((found + [0])[...], form) }
    }

    @Test("a set without a version, or of two names, is none")
    func noSet() {
        let key: [UInt8] = [0, 0, 0, 1, 0, 0, 0]
        #expect(throws: ByteError.illegal) { try ExchangeRequest((key + [0, 0, 0, 1, 0, 1])[...], .second) }
        var writer = ByteWriter()
        writer.write(raw: key + [0, 0, 0, 1, 2])
        World.version("a", by: "ada").write(to: &writer)
        World.version("b", by: "ada").write(to: &writer)
        #expect(throws: ByteError.illegal) { try ExchangeRequest(writer.bytes[...], .second) }
    }
}
