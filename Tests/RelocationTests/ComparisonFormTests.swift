import Relocation
import Resources
import Testing
import Vocabulary

@Suite("Comparisons as they go from node to node")
struct ComparisonFormTests {
    private func sets() -> [SlotSet] {
        var rng = SeededGenerator(seed: 11)
        return [0.0, 0.001, 0.02, 0.1, 0.5, 0.9, 1].map { density in
            SlotSet(Slot.all.filter { _ in Double.random(in: 0..<1, using: &rng) < density })
        }
    }

    private func statuses() throws -> [GroupStatus] {
        try [(Slot.first, nil, true), (Slot.all[Slot.count - 1], String(repeating: "x", count: 63), false)].map {
            slot, home, owner in
            GroupStatus(
                key: GroupKey(slot: slot, home: try home.map { try NodeName($0) }),
                digest: SetDigest(high: .max, low: 1), owner: owner)
        }
    }

    @Test("a question comes back as it was, and its slots in at most two KiB")
    func questions() throws {
        for slots in sets() {
            for request in [
                CompareRequest(slots: slots, groups: try statuses()), CompareRequest(slots: slots, groups: []),
                CompareRequest(slots: slots, groups: [], shared: SetDigest(high: 1, low: .max)),
            ] {
                let bytes = request.bytes
                #expect(try CompareRequest(bytes[...]) == request)
                #expect(bytes.count <= 2 * 1024 + 2 + 5 + request.groups.count * 83 + 16)
            }
        }
        #expect(CompareRequest(slots: SlotSet.all, groups: [], shared: .empty).bytes.count == 6 + 1 + 16)
    }

    @Test("an answer comes back as it was")
    func answers() throws {
        let newer = try ["a", "simba"].map { name in
            HolderOfNewer(holder: try NodeName(name), slots: SlotSet([Slot.first, Slot.all[Slot.count - 1]]))
        }
        for reply in [
            CompareReply(groups: try statuses(), newer: newer), CompareReply(groups: [], same: true),
            CompareReply(groups: [], same: true, counted: false), CompareReply(groups: try statuses(), counted: false),
        ] {
            for form in PeerForm.allCases { #expect(try CompareReply(reply.bytes(form)[...], form) == reply) }
        }
        let full = CompareReply(groups: try statuses(), newer: newer, noRoom: sets()[2])
        #expect(try CompareReply(full.bytes(.second)[...], .second) == full)
        // Whoever knows the first form only is told the rest.
        let first = CompareReply(groups: try statuses(), newer: newer)
        #expect(try CompareReply(full.bytes(.first)[...], .first) == first)
    }

    @Test("sums and what is answered to them come back as they were")
    func sums() throws {
        for slots in sets() {
            let sums = slots.spans.map { SetDigest(high: UInt64($0), low: .max) }
            let ring = SetDigest(high: 7, low: 9)
            for groups in [[], try statuses()] {
                let request = SumsRequest(slots: slots, ring: ring, sums: sums, groups: groups)
                #expect(try SumsRequest(request.bytes[...]) == request)
                let newer = [HolderOfNewer(holder: try NodeName("simba"), slots: slots)]
                let reply = SumsReply(same: slots, groups: groups, counted: groups.isEmpty, newer: newer, noRoom: slots)
                #expect(try SumsReply(reply.bytes[...]) == reply)
            }
            // One for each span, no more and no less.
            for wrong in [sums + [ring], Array(sums.dropLast())] where wrong != sums {
                let request = SumsRequest(slots: slots, ring: ring, sums: wrong, groups: [])
                #expect(throws: ByteError.illegal) { try SumsRequest(request.bytes[...]) }
            }
        }
        let all = SumsRequest(
            slots: SlotSet.all, ring: .empty, sums: Array(repeating: .empty, count: 256), groups: [])
        #expect(all.bytes.count == 6 + 16 + 4 + 256 * 16 + 4)
        #expect(SumsReply(same: SlotSet.all).bytes.count == 6 + 1 + 4 + 4 + 2)
    }

    @Test("the spans of a set of slots are those that it has any of, and all that is in them")
    func spans() {
        for slots in sets() {
            let numbers = slots.spans
            #expect(Set(numbers) == Set(slots.map { Int($0.number) / 64 }))
            #expect(slots.inSpans(numbers) == slots)
            let odd = numbers.filter { $0 % 2 == 1 }
            #expect(slots.inSpans(odd) == SlotSet(slots.filter { Int($0.number) / 64 % 2 == 1 }))
        }
        #expect(SlotSet.all.inSpans([-1, 256, Int.max]).isEmpty)
    }

    @Test("no part of one, and none with more behind it, passes for the whole")
    func parts() throws {
        let request = CompareRequest(slots: sets()[1], groups: try statuses()).bytes
        let reply = CompareReply(
            groups: try statuses(), newer: [HolderOfNewer(holder: try NodeName("a"), slots: sets()[3])],
            noRoom: sets()[2])
        for length in request.indices {
            #expect(throws: (any Error).self) { try CompareRequest(request.prefix(length)) }
        }
        #expect(throws: ByteError.illegal) { try CompareRequest((request + [0])[...]) }
        let sums = SumsRequest(
            slots: SlotSet([Slot.first]), ring: .empty, sums: [.empty], groups: try statuses()
        ).bytes
        let summed = SumsReply(same: sets()[1], groups: try statuses(), newer: reply.newer, noRoom: sets()[2]).bytes
        for length in sums.indices { #expect(throws: (any Error).self) { try SumsRequest(sums.prefix(length)) } }
        for length in summed.indices { #expect(throws: (any Error).self) { try SumsReply(summed.prefix(length)) } }
        #expect(throws: ByteError.illegal) { try SumsRequest((sums + [0])[...]) }
        #expect(throws: ByteError.illegal) { try SumsReply((summed + [0])[...]) }
        for form in PeerForm.allCases {
            let bytes = reply.bytes(form)
            for length in bytes.indices {
                #expect(throws: (any Error).self) { try CompareReply(bytes.prefix(length), form) }
            }
            #expect(throws: ByteError.illegal) { try CompareReply((bytes + [0])[...], form) }
        }
    }

    @Test(
        "slots out of order or past the last are refused",
        arguments: [
            [0, 1, 0, 2, 0, 1, 0], [0, 1, 0, 0, 0x40, 0, 0], [0, 2, 0, 0, 0, 1, 0, 2, 0, 3, 0], [2, 1], [0, 0, 2],
            [0, 0, 0, 0, 0, 0, 1, 0x40, 0, 0], [0, 0, 0, 0, 0, 0, 1, 0, 0, 0] + [UInt8](repeating: 0, count: 16) + [2],
        ] as [[UInt8]])
    func hostile(bytes: [UInt8]) {
        #expect(throws: ByteError.illegal) { try CompareRequest(bytes[...]) }
    }

    @Test("a number of things that can not be there is found out without room for them")
    func hostileCount() {
        #expect(throws: ByteError.truncated) { try CompareRequest([0, 0, 0, 0xff, 0xff, 0xff, 0xff][...]) }
        #expect(throws: ByteError.truncated) { try ExchangeRequest([0xff, 0xff, 0xff, 0xff][...], .second) }
        #expect(throws: ByteError.truncated) { try ExchangeReply([0, 0xff, 0xff, 0xff, 0xff][...], .second) }
        #expect(throws: ByteError.illegal) { try CompareReply([4, 0, 0, 0, 0, 0, 0][...], .second) }
    }
}
