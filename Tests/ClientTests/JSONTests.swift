import Client
import Testing

@testable import Client

@Suite("The API's JSON is what the contract says")
struct JSONTests {
    @Test("a list of resources")
    func resources() throws {
        let list = API.ResourceList(
            resources: [
                API.ResourceInfo(
                    name: "docs/plan.txt", version: "simba.1.2", sha256: "ab", size: 5,
                    modified: "2026-11-23T05:52:19.123Z", contentType: "text/plain", home: "simba",
                    holders: ["mkango", "simba"], conflicts: 0)
            ], next: "docs/plan.txt", unreachable: [])
        let text = """
            {"next":"docs/plan.txt","resources":[{"conflicts":0,"content_type":"text/plain","holders":["mkango","simba"],\
            "home":"simba","modified":"2026-11-23T05:52:19.123Z","name":"docs/plan.txt","sha256":"ab","size":5,\
            "version":"simba.1.2"}],"unreachable":[]}
            """
        #expect(try API.JSON.text(list) == text)
        #expect(try API.JSON.decode(API.ResourceList.self, from: text.utf8) == list)
    }

    @Test("a deleted name with conflicts, which is listed where it is asked for")
    func deleted() throws {
        let info = API.ResourceInfo(
            name: "docs/plan.txt", version: "simba.1.2", deleted: true, sha256: nil, size: 0,
            modified: "2026-11-23T05:52:19.123Z", home: nil, holders: ["simba"], conflicts: 1)
        let text = """
            {"conflicts":1,"deleted":true,"holders":["simba"],"modified":"2026-11-23T05:52:19.123Z",\
            "name":"docs/plan.txt","size":0,"version":"simba.1.2"}
            """
        #expect(try API.JSON.text(info) == text)
        #expect(try API.JSON.decode(API.ResourceInfo.self, from: text.utf8) == info)
    }

    @Test("a member, with durations in _ms and nothing for what is not known")
    func member() throws {
        let member = API.Member(
            name: "simba", address: "10.0.0.2:7667", state: .alive, incarnation: 3, zone: nil, weight: 1,
            rttMilliseconds: 0.25, since: "2026-11-23T05:52:19.000Z", version: "0.1.0", holds: nil)
        #expect(
            try API.JSON.text(member) == """
                {"address":"10.0.0.2:7667","incarnation":3,"name":"simba","rtt_ms":0.25,\
                "since":"2026-11-23T05:52:19.000Z","state":"alive","version":"0.1.0","weight":1}
                """)
    }

    @Test("a member with tags, and one whose tags are not known yet")
    func tags() throws {
        var member = API.Member(
            name: "simba", address: "10.0.0.2:7667", state: .alive, incarnation: 3, zone: nil, weight: 1,
            rttMilliseconds: nil, since: "2026-11-23T05:52:19.000Z", version: "0.1.0", holds: nil,
            tags: ["tier": "2", "role": "edge"])
        let text = try API.JSON.text(member)
        #expect(text.contains(#""tags":{"role":"edge","tier":"2"}"#) && !text.contains("tags_pending"))
        #expect(try API.JSON.decode(API.Member.self, from: text.utf8) == member)
        member.tags = nil
        member.tagsPending = true
        #expect(try API.JSON.text(member).contains(#""tags_pending":true"#))
    }

    @Test("a status")
    func status() throws {
        let status = API.Status(
            node: "simba", cluster: "crane", phase: .serving, converged: true, version: "0.1.0",
            address: "10.0.0.2:7667", uptimeMilliseconds: 1500, members: API.MemberCounts(alive: 3, crashed: 1),
            resources: API.ResourceCounts(held: 4, owned: 3, underReplicated: 1, misplaced: 1),
            moves: API.MoveCounts(active: 1, queued: 2, bytes: 1 << 40),
            certificate: API.CertificateStatus(expires: "2027-11-23T05:52:19.000Z"),
            data: API.DataStatus(used: 10, free: UInt64.max))
        let text = """
            {"address":"10.0.0.2:7667","certificate":{"expires":"2027-11-23T05:52:19.000Z"},"cluster":"crane",\
            "converged":true,"data":{"free":18446744073709551615,"used":10},\
            "members":{"alive":3,"crashed":1,"draining":0,"left":0,"restarting":0,"suspect":0},\
            "moves":{"active":1,"bytes":1099511627776,"queued":2},"node":"simba","phase":"serving",\
            "resources":{"held":4,"misplaced":1,"owned":3,"under_replicated":1},"uptime_ms":1500,"version":"0.1.0"}
            """
        #expect(try API.JSON.text(status) == text)
        #expect(try API.JSON.decode(API.Status.self, from: text.utf8) == status)
    }

    @Test("an outcome of a put, of a join and of a leave, and a refusal")
    func others() throws {
        #expect(
            try API.JSON.text(
                API.PutResult(name: "a", version: "simba.1.2", sha256: "ab", size: 1, copies: ["mkango", "simba"]))
                == #"{"copies":["mkango","simba"],"name":"a","sha256":"ab","size":1,"version":"simba.1.2"}"#)
        #expect(
            try API.JSON.text(API.LeaveRequest(now: false, timeoutMilliseconds: 5000))
                == #"{"now":false,"timeout_ms":5000}"#)
        #expect(
            try API.JSON.text(API.ErrorBody(code: "not_found", message: "no a/b", hint: "look"))
                == #"{"error":{"code":"not_found","hint":"look","message":"no a/b"}}"#)
    }

    @Test("a key that is missing is named")
    func missing() {
        #expect {
            try API.JSON.decode(API.Where.self, from: #"{"name":"a"}"#.utf8)
        } throws: { error in
            "\(error)".contains("slot")
        }
    }

    @Test("events are found in a stream however it is cut, with any line ends and comments between")
    func events() throws {
        let first = API.Event(id: 1, time: "2026-11-23T05:52:19.000Z", type: "joined", node: "simba")
        let second = API.Event(
            id: 2, time: "2026-11-23T05:52:20.000Z", type: "crashed", node: "mkango", by: "simba")
        let stream =
            ": hello\n\nid: 1\nevent: joined\ndata: \(try API.JSON.text(first))\n\n:\n\n"
            + "id: 2\r\ndata:\(try API.JSON.text(second))\r\n\r\n"
        for step in [1, 7, 4096] {
            var parser = EventParser()
            var events: [API.Event] = []
            var rest = Array(stream.utf8)[...]
            while !rest.isEmpty {
                events += try parser.feed(rest.prefix(step))
                rest = rest.dropFirst(step)
            }
            #expect(events == [first, second])
        }
    }

    @Test("an event without an end is refused at its bound")
    func endlessEvent() {
        var parser = EventParser()
        #expect(throws: ClientError.self) {
            try parser.feed(Array(repeating: UInt8(ascii: "x"), count: EventParser.eventBytesMax + 1))
        }
    }
}
