import FoundationEssentials
import Testing
import Vocabulary

@testable import Agent

@Suite("The agent's settings")
struct SettingsTests {
    private func settings(
        yaml: String = "", environment: [String: String] = [:], flags: [(key: String, value: String)] = []
    ) throws -> AgentSettings {
        let folder = try TemporaryFolder()
        let path = folder.path + "/roost.yaml"
        try yaml.write(toFile: path, atomically: false, encoding: .utf8)
        return try AgentSettings(file: path, environment: environment, flags: flags)
    }

    private func refusal(
        yaml: String = "", environment: [String: String] = [:], flags: [(key: String, value: String)] = []
    ) -> SettingsError? {
        do {
            _ = try settings(yaml: yaml, environment: environment, flags: flags)
            return nil
        } catch {
            return error as? SettingsError
        }
    }

    @Test("flags win over variables, variables over the file, the file over the defaults")
    func precedence() throws {
        #expect(try settings().peersMax == 64)
        #expect(try settings(yaml: "peers.max: 5").peersMax == 5)
        #expect(try settings(yaml: "peers.max: 5", environment: ["ROOST_PEERS_MAX": "6"]).peersMax == 6)
        let all = try settings(
            yaml: "peers.max: 5", environment: ["ROOST_PEERS_MAX": "6"], flags: [("peers.max", "7")])
        #expect(all.peersMax == 7)
    }

    @Test("nested and dotted keys mean the same")
    func nestedAndDotted() throws {
        let nested = try settings(
            yaml: """
                name: simba
                join: [mpologoma:7667, "10.0.0.9"]
                relocation:
                  delay: 3s
                  streams: 2
                leave: {on_stop: false, timeout: 2m}
                """)
        let dotted = try settings(
            yaml: """
                name: simba
                join: "mpologoma:7667, 10.0.0.9"
                relocation.delay: 3s
                relocation.streams: 2
                leave.on_stop: no
                leave.timeout: 2m
                """)
        #expect(nested == dotted)
        #expect(nested.relocation.delay == .seconds(3))
        #expect(nested.leave.timeout == .seconds(120))
        #expect(nested.join.map(\.description) == ["mpologoma:7667", "10.0.0.9:7667"])
    }

    @Test("every setting takes its own default text, in YAML, as a variable and as a flag")
    func defaultsAreAllowed() throws {
        for setting in Setting.all where !setting.defaultText.isEmpty {
            let plain = AgentSettings()
            #expect(try settings(yaml: "\(setting.key): \"\(setting.defaultText)\"") == plain, "\(setting.key)")
            #expect(try settings(environment: [setting.variable: setting.defaultText]) == plain, "\(setting.variable)")
            #expect(try settings(flags: [(setting.key, setting.defaultText)]) == plain, "--\(setting.key)")
        }
    }

    @Test(
        "an unknown key is refused with the nearest known one",
        arguments: [
            ("peer.max", "peers.max"), ("datadir", "data_dir"), ("delay", "relocation.delay"),
            ("http.bnd", "http.bind"), ("swim.probe-interval", "swim.probe_interval"), ("NAME", "name"),
        ])
    func unknownKey(typed: String, meant: String) {
        #expect(refusal(flags: [(typed, "1")]) == .unknownKey(typed, source: .flag, nearest: meant))
        guard case .unknownKey(let key, .file, let nearest)? = refusal(yaml: "\(typed): 1") else {
            Issue.record("\(typed) was not refused in YAML")
            return
        }
        #expect(key == typed)
        #expect(nearest == meant)
    }

    @Test(
        "an unknown key is refused also when nothing stands after it",
        arguments: [
            ("relocation: {dealy: }", "relocation.dealy"), ("relocation:\n  dealy:\n", "relocation.dealy"),
            ("nonsense: {}", "nonsense"), ("nonsense:", "nonsense"), ("nonsense: ~", "nonsense"),
            ("peers: {max: {}, min: {}}", "peers.min"), ("nonsense: []", "nonsense"),
        ])
    func unknownAndEmpty(yaml: String, key: String) {
        guard case .unknownKey(key, .file, _)? = refusal(yaml: yaml) else {
            Issue.record("\(String(describing: refusal(yaml: yaml)))")
            return
        }
    }

    @Test("a known key, or a chapter, with nothing after it leaves the defaults")
    func knownAndEmpty() throws {
        #expect(try settings(yaml: "relocation: {}\nleave:\npeers: {max: }\nzone: {}\n") == AgentSettings())
    }

    @Test("nothing is suggested for a key like no other")
    func noSuggestion() {
        let error = refusal(flags: [("quux.frobnicate", "1")])
        #expect(error == .unknownKey("quux.frobnicate", source: .flag, nearest: nil))
        #expect(error?.exitCode == 78)
    }

    @Test("an unknown ROOST_ variable is refused, those of the command line and of others are not")
    func unknownVariable() throws {
        #expect(
            refusal(environment: ["ROOST_PEER_MAX": "1"])
                == .unknownKey("ROOST_PEER_MAX", source: .variable("ROOST_PEER_MAX"), nearest: "ROOST_PEERS_MAX"))
        let plain = try settings(
            environment: ["ROOST_AGENT": "unix:/x", "ROOST_CONFIG": "/x", "HOME": "/", "ROOSTER": "1"])
        #expect(plain == AgentSettings())
        #expect(try settings(environment: ["ROOST_CERTS": "/c"]).certificatesFolder == "/c")
    }

    @Test(
        "a bad value is refused with the key, the value and what is allowed",
        arguments: [
            ("name", "Simba"), ("name", ""), ("cluster", "a.b"), ("bind", "0.0.0.0:99999"), ("advertise", "a b"),
            ("join", "a:1,b c:2"), ("data_dir", ""), ("socket", String(repeating: "s", count: 108)), ("zone", "a/b"),
            ("weight", "-1"), ("weight", "10001"), ("replicas", "0"), ("replicas", "8"), ("peers.max", "many"),
            ("peers.max", "0"), ("swim.probe_interval", "1"), ("swim.probe_interval", "0s"),
            ("swim.suspicion_multiplier", "0"), ("swim.push_pull_interval", "1ms"), ("relocation.delay", "30"),
            ("relocation.delay", "-1s"), ("relocation.delay", "99999999999999999999s"),
            ("relocation.delay", "9223372036854775807h"), ("relocation.streams", "0"), ("leave.on_stop", "maybe"),
            ("leave.timeout", "1y"), ("http.bind", "0.0.0.0:7668"), ("http.bind", "127.0.0.1"),
            ("http.bind", "example.org:80"), ("http.bind", "127.0.0.1.example.org:80"), ("log.level", "loud"),
            ("log.format", "xml"), ("limits.body", "1QiB"), ("limits.body", "9223372036854775807TiB"), ("ca", ""),
            ("tags", "role"), ("tags", "a b=c"), ("tags", "=c"), ("tags", "a=1,a=2"), ("tags", "a=\n"),
            ("tags", "a=" + String(repeating: "v", count: 4_093)),
        ])
    func badValue(key: String, value: String) throws {
        let setting = try #require(Setting.byKey[key])
        #expect(
            refusal(flags: [(key, value)])
                == .badValue(key: key, value: value, source: .flag, allowed: setting.allowed))
        let error = try #require(refusal(environment: [setting.variable: value]))
        #expect(error.description.contains(key))
        #expect(error.description.contains(setting.allowed))
    }

    @Test("every setting refuses some value that is listed above or contradicts another")
    func everyKindIsBounded() {
        for setting in Setting.all where setting.key != "certs" && setting.key != "swim.probe_timeout" {
            var settings = AgentSettings()
            #expect(!setting.apply(&settings, "\u{0} \u{1B}"), "\(setting.key) takes anything")
        }
    }

    @Test("a key given twice is refused, except a list's flag")
    func twice() throws {
        #expect(refusal(flags: [("zone", "a"), ("zone", "b")]) == .givenTwice(key: "zone", source: .flag))
        #expect(try settings(flags: [("join", "a"), ("join", "b,c")]).join.count == 3)
        guard case .givenTwice("peers.max", .file)? = refusal(yaml: "peers.max: 1\npeers: {max: 2}") else {
            Issue.record("a nested and a dotted spelling of one key were both taken")
            return
        }
    }

    @Test("tags are a map in YAML, each with its own line, and a list in a flag or a variable")
    func tags() throws {
        let expected = try Tags(["role": "edge", "tier": "2", "rack/a.b": "x, y", "spare": ""])
        let yaml = "tags:\n  role: edge\n  tier: 2\n  rack/a.b: 'x, y'\n  spare:\n"
        #expect(try settings(yaml: yaml).tags == expected)
        #expect(try settings(yaml: "tags.role: edge\ntags: {tier: 2, rack/a.b: 'x, y', spare: ''}").tags == expected)
        let short = try Tags(["role": "edge", "tier": "2"])
        #expect(try settings(yaml: "tags: [role=edge, tier=2]").tags == short)
        #expect(try settings(yaml: yaml, environment: ["ROOST_TAGS": "role=edge, tier=2"]).tags == short)
        #expect(try settings(yaml: yaml, flags: [("tags", "role=edge"), ("tags", "tier=2")]).tags == short)
        #expect(try settings(yaml: yaml, environment: ["ROOST_TAGS": ""]).tags == .none)
        #expect(try settings(flags: [("tags", "a=b=c")]).tags == Tags(["a": "b=c"]))
        #expect(try settings(yaml: "tags:\n").tags == .none)
    }

    @Test(
        "a wrong tag in YAML is refused by its own key, and too many with the limit",
        arguments: [
            ("tags: {a b: c}", "tags.a b", "1-64"), ("tags: {a: \"\\n\"}", "tags.a", "control"),
            ("tags: {a: [b, c]}", "tags.a", "text"),
            ("tags: {a: \(String(repeating: "v", count: 4_093))}", "tags", "4096"),
        ])
    func wrongTags(yaml: String, key: String, limit: String) {
        guard case .badValue(key, _, .file, let allowed)? = refusal(yaml: yaml) else {
            Issue.record("\(String(describing: refusal(yaml: yaml)))")
            return
        }
        #expect(allowed.contains(limit))
    }

    @Test("a tag given twice, or tags in two ways, are refused")
    func tagsTwice() {
        for yaml in ["tags.a: 1\ntags: {a: 2}", "tags: {a: {b: 1}, a.b: 2}", "tags: [a=1, a=2]"] {
            #expect(refusal(yaml: yaml) != nil, "\(yaml)")
        }
    }

    @Test(
        "YAML that is no mapping, not YAML at all, too deep, or a list where a word is wanted is refused",
        arguments: [
            "- a\n- b", "just words", "a: [", "a: {b: {c: {d: {e: 1}}}}", "peers.max: [1, 2]", "join: [{a: b}]",
            "peers: 4", "name: simba\nname: nala",
        ])
    func wrongYAML(yaml: String) {
        #expect(refusal(yaml: yaml) != nil)
    }

    @Test("an alias that multiplies itself is refused at a bound")
    func aliasBomb() {
        let words = (1...9).map { level in
            let references = ["x", "y", "z"].map { "\($0): *a\(level - 1)" }.joined(separator: ", ")
            return "a\(level): &a\(level) {\(references)}"
        }
        let yaml = "a0: &a0 {x: 1, y: 2, z: 3}\n" + words.joined(separator: "\n")
        #expect(refusal(yaml: yaml) != nil)
    }

    @Test(
        "aliases and maps that the parser would compare as keys for ever are refused at once",
        .timeLimit(.minutes(1)))
    func keyBombs() {
        let names = Array("abcdefghijklm").map(String.init)
        let lists = zip(names, names.dropFirst()).map { before, name in
            "\(name): &\(name) [\(Array(repeating: "*" + before, count: 10).joined(separator: ", "))]"
        }
        let aliases = "a: &a [x, x]\n" + lists.joined(separator: "\n") + "\n? *m\n: 1\n"
        let nested =
            String(repeating: "? [", count: 900) + String(repeating: "x, ", count: 60_000)
            + String(repeating: "]", count: 900)
        for yaml in [aliases, nested] {
            guard case .notYAML? = refusal(yaml: yaml) else {
                Issue.record("\(String(describing: refusal(yaml: yaml)))")
                continue
            }
        }
    }

    @Test("some aliases are taken for what they stand for")
    func aliases() throws {
        let settings = try settings(yaml: "zone: &here kraal\ntags: {zone: *here, pattern: 'a*b'}\n# *a *b")
        #expect(settings.zone == "kraal")
        #expect(settings.tags.description.contains("zone=kraal"))
    }

    @Test("an absent, over-long or binary file is refused with its path")
    func wrongFile() throws {
        let folder = try TemporaryFolder()
        #expect(throws: SettingsError.unreadable(path: folder.path + "/none", reason: "No such file or directory")) {
            try AgentSettings(file: folder.path + "/none", environment: [:], flags: [])
        }
        #expect(throws: SettingsError.self) { try AgentSettings(file: "/dev/zero", environment: [:], flags: []) }
        #expect(throws: SettingsError.self) { try AgentSettings(file: folder.path, environment: [:], flags: []) }
        try Data([0xff, 0xfe, 0x00]).write(to: URL(filePath: folder.path + "/binary"))
        #expect(throws: SettingsError.self) {
            try AgentSettings(file: folder.path + "/binary", environment: [:], flags: [])
        }
    }

    @Test("settings that contradict each other are refused")
    func contradictions() {
        #expect(refusal(flags: [("swim.probe_timeout", "2s")]) != nil)
        #expect(refusal(flags: [("http.bind", "127.0.0.1:7667")]) != nil)
        #expect(refusal(flags: [("swim.probe_timeout", "2s"), ("swim.probe_interval", "3s")]) == nil)
    }

    @Test("an empty value in YAML leaves the default")
    func emptyValue() throws {
        #expect(try settings(yaml: "zone:\nname: ~\n") == AgentSettings())
        #expect(try settings(yaml: "# only a comment\n") == AgentSettings())
    }

    @Test("times and sizes are written back in their greatest unit")
    func unitTexts() {
        #expect(DurationText.show(.seconds(90)) == "90s")
        #expect(DurationText.show(.seconds(120)) == "2m")
        #expect(DurationText.show(.zero) == "0ms")
        #expect(DurationText.parse("250ms") == .milliseconds(250))
        #expect(ByteCountText.show(1 << 40) == "1TiB")
        #expect(ByteCountText.parse("1GB") == 1_000_000_000)
        #expect(ByteCountText.parse("17") == 17)
        #expect(ByteCountText.parse("1 GiB") == nil)
    }

    @Test("`roost agent` has a flag for every setting, and none besides")
    func flagsOfTheCommand() throws {
        let source = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/roost/AgentCommand.swift")
        let text = try String(contentsOf: source, encoding: .utf8)
        let declared = text.split(separator: ".customLong(\"").dropFirst().map { String($0.prefix { $0 != "\"" }) }
        #expect(declared == Setting.all.map(\.key))
        for setting in Setting.all {
            #expect(text.contains("help: .setting(\"\(setting.key)\")"))
            #expect(text.contains("(\"\(setting.key)\", "), "\(setting.key) is not handed on")
        }
    }
}
