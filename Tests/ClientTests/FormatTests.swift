import Client
import Testing
import Vocabulary

@Suite("What people and programs read")
struct FormatTests {
    @Test(
        "sizes are shown in binary units with one digit",
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1_048_524, "1023.9 KiB"),
            (1_048_575, "1.0 MiB"), (67_108_864, "64.0 MiB"), (5_368_709_120, "5.0 GiB"),
            (UInt64.max, "16.0 EiB"),
        ] as [(UInt64, String)])
    func sizes(_ count: UInt64, _ text: String) { #expect(HumanUnits.bytes(count) == text) }

    @Test(
        "durations are shown with the two units that matter",
        arguments: [
            (0, "0 ms"), (350, "350 ms"), (12_340, "12.3 s"), (200_000, "3 min 20 s"), (7_500_000, "2 h 5 min"),
            (273_600_000, "3 d 4 h"),
        ] as [(UInt64, String)])
    func durations(_ milliseconds: UInt64, _ text: String) {
        #expect(HumanUnits.duration(milliseconds: milliseconds) == text)
    }

    @Test("round trips keep two or three digits, and say when they are unknown")
    func roundTrips() {
        #expect(HumanUnits.roundTrip(milliseconds: 0.207) == "0.21 ms")
        #expect(HumanUnits.roundTrip(milliseconds: 12.34) == "12.3 ms")
        #expect(HumanUnits.roundTrip(milliseconds: 150.4) == "150 ms")
        #expect(HumanUnits.roundTrip(milliseconds: nil) == "-")
        #expect(HumanUnits.roundTrip(milliseconds: .nan) == "-")
    }

    @Test("a progress line has the share, the bytes, the rate and the time left, and fits the terminal")
    func progress() {
        let line = ProgressLine.text(
            label: "film.mp4", bytes: 450 << 20, total: 1 << 30, elapsed: .seconds(2), bytesPerSecond: 200 << 20,
            width: 120)
        #expect(line == "film.mp4   43% [########------------]  450.0 MiB of 1.0 GiB  200.0 MiB/s  ETA 2.8 s")
        let narrow = ProgressLine.text(
            label: "a/rather/long/name.txt", bytes: 1, total: 2, elapsed: .zero, bytesPerSecond: 0, width: 70)
        #expect(narrow.count <= 70)
        #expect(narrow.hasPrefix("…"))
        let tiny = ProgressLine.text(
            label: "x", bytes: 1, total: nil, elapsed: .zero, bytesPerSecond: 0, width: 5)
        #expect(tiny.count == 5)
        #expect(
            ProgressLine.text(label: "in", bytes: 2048, total: nil, elapsed: .seconds(3), bytesPerSecond: 0, width: 80)
                == "in  2.0 KiB  0 B/s  3.0 s")
    }

    @Test("a line that counts other things than bytes has the share, the count, the bytes and the time left")
    func progressOfOthers() {
        func line(_ done: Int, of total: Int, width: Int = 120) -> String {
            ProgressLine.text(
                label: "leaving", done: done, total: total, unit: "resources", detail: "4.5 MiB of 10.0 MiB",
                elapsed: .seconds(9), width: width)
        }
        #expect(
            line(9, of: 20)
                == "leaving   45% [#########-----------]  9 of 20 resources  4.5 MiB of 10.0 MiB  ETA 11.0 s")
        #expect(
            line(0, of: 20) == "leaving    0% [--------------------]  0 of 20 resources  4.5 MiB of 10.0 MiB  9.0 s")
        #expect(line(20, of: 20).contains("100% [####################]  20 of 20 resources"))
        #expect(line(0, of: 0).contains("100% ["))
        #expect(line(9, of: 20, width: 40).count == 40)
    }

    @Test("a table aligns its columns, marks empty cells and disarms control characters")
    func table() {
        var table = Table([.init("NAME"), .init("SIZE", .right), .init("HOME")])
        table.add(["a\u{1B}[31m", "1 B", ""])
        table.add(["longer-name", "10.0 MiB", "simba"])
        #expect(
            table.text() == """
                NAME             SIZE  HOME
                a?[31m            1 B  -
                longer-name  10.0 MiB  simba
                """)
    }

    @Test("why a member is held for what it is, also by a node that came when it had happened")
    func explanation() {
        func lines(_ state: API.MemberState, _ accusers: [String], _ steps: [API.Explanation.Step] = []) -> [String] {
            ExplanationText.steps(
                of: API.Explanation(
                    name: "simba", state: state, since: "1970-01-01T00:00:00Z", reach: "direct", accusers: accusers,
                    steps: steps, refutation: nil, healthScore: 0))
        }
        #expect(lines(.alive, []) == ["nobody has suspected it since the node asked knows it"])
        #expect(
            lines(.crashed, ["mkango", "chui"])
                == ["it had crashed already when the node asked heard of it first", "accused by mkango, chui"])
        #expect(lines(.suspect, ["chui"])[0] == "it was a suspect already when the node asked heard of it first")
        let step = API.Explanation.Step(time: "1970-01-01T00:00:01Z", type: "suspected", text: "chui\u{1B} suspects it")
        #expect(
            lines(.suspect, ["chui"], [step])
                == ["  1970-01-01 00:00:01  suspected: chui? suspects it", "accused by chui"])
    }

    @Test("what others say moves no cursor, begins no line, is cut where it is too long, and stays legible else")
    func printable() {
        #expect("a\u{1B}[31mb\u{9B}2Jc\nd\u{202E}e\u{7F}".printable() == "a?[31mb?2Jc?d?e?")
        #expect("a\nb\tc\r".printable(keepingLines: true) == "a\nb\tc?")
        #expect("Ñandú ☃ 👩‍🚀".printable() == "Ñandú ☃ 👩‍🚀")
        #expect("abcdef".printable(max: 6) == "abcdef")
        #expect("abcdefg".printable(max: 6) == "abcde…")
        #expect("a".printable(max: 0) == "")
        // One character of a thousand accents is not one to a terminal.
        #expect(("e" + String(repeating: "\u{301}", count: 1_000)).printable(max: 10).unicodeScalars.count == 10)
        #expect("{\"a\":\"x\u{9B}2J\u{7F}é\"}".escapingControls == "{\"a\":\"x\\u009b2J\\u007fé\"}")
    }

    @Test(
        "times are RFC 3339 in UTC and read back",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (1_795_413_139_123, "2026-11-23T05:52:19.123Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)])
    func times(_ milliseconds: Int64, _ text: String) {
        #expect(API.Timestamp.text(unixMilliseconds: milliseconds) == text)
        #expect(API.Timestamp.unixMilliseconds(text) == milliseconds)
    }

    @Test(
        "a text that is no time in UTC is not read as one",
        arguments: [
            "", "2026-02-30T00:00:00Z", "2026-11-23T05:52:19+01:00", "2026-11-23 05:52:19Z", "2026-11-23T24:00:00Z",
            "2026-11-23T05:52:19.Z", "abcd-ef-ghTij:kl:mnZ",
        ])
    func badTimes(_ text: String) { #expect(API.Timestamp.unixMilliseconds(text) == nil) }

    @Test("times without a fraction are read too")
    func shortTimes() { #expect(API.Timestamp.unixMilliseconds("1970-01-01T00:00:01Z") == 1000) }
}

@Suite("Addresses and paths")
struct AddressTests {
    @Test("both forms of an agent's address are read and written")
    func forms() throws {
        #expect(try AgentAddress(parsing: "unix:/run/roost/roost.sock") == .standard)
        #expect(try AgentAddress(parsing: "https://simba") == .https(Endpoint(host: "simba", port: 7667)))
        #expect(try AgentAddress(parsing: "https://[::1]:80/").description == "https://[::1]:80")
    }

    @Test(
        "anything else is refused with both forms named",
        arguments: ["", "simba:7667", "http://simba", "unix:relative", "https://", "https://a b", "https://a:99999"])
    func refused(_ text: String) {
        #expect { try AgentAddress(parsing: text) } throws: { error in
            "\(error)".contains("use unix:/path or https://host:port")
        }
    }

    @Test("a unix socket's path must fit the system's limit")
    func longPath() {
        #expect(throws: ClientError.self) { try AgentAddress(parsing: "unix:/" + String(repeating: "a", count: 107)) }
    }

    @Test(
        "a resource's name goes through a path and back",
        arguments: ["a", "docs/plan.txt", "a b%c?d#e", "ñandú/☃", "100%/+&=;", "tab\tname", "\u{7F}~-._"])
    func names(_ name: String) throws {
        let path = ResourcePath.encode(name)
        #expect(path.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "?") })
        #expect(path.split(separator: "/").count == name.split(separator: "/").count)
        #expect(ResourcePath.decode(path) == name)
        #expect(ResourcePath.decode(ResourcePath.encodeQuery(name)) == name)
    }

    @Test(
        "a broken escape, bytes that are not UTF-8 and bare characters are refused",
        arguments: ["%", "%2", "%zz", "%ff", "a b", "a?b", "a#b", "é"])
    func broken(_ path: String) { #expect(ResourcePath.decode(path) == nil) }

    @Test("a query has its values encoded and leaves out what is not given")
    func query() {
        #expect(
            ResourcePath.with("/v1/resources", query: [("prefix", "a/b&c"), ("limit", nil), ("after", "x y")])
                == "/v1/resources?prefix=a%2Fb%26c&after=x%20y")
    }
}
