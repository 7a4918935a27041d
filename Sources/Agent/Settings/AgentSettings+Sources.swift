import Vocabulary

extension AgentSettings {
    /// Composes the settings: flags over `ROOST_…` variables over the YAML file over the defaults.
    ///
    /// - Parameters:
    ///   - file: the YAML file; nil when none was named.
    ///   - environment: all variables of the process; those that do not begin with `ROOST_` are ignored.
    ///   - flags: what was given on the command line, key and text, in order; a list's key may come more than once.
    /// - Throws: `SettingsError` with the first thing that is wrong.
    public init(
        file: String?, environment: [String: String], flags: [(key: String, value: String)]
    ) throws(SettingsError) {
        self.init()
        if let file {
            try apply(SettingsFile(path: file), path: file)
        }
        try apply(environment: environment)
        try apply(flags: flags)
        try check()
    }

    /// Variables that begin with `ROOST_` and are the command line's or the test-bed's, not settings of the agent.
    /// `ROOST_CERTS` is both: the folder of the identity, for the agent as for the commands.
    static let otherVariables: Set<String> = ["ROOST_AGENT", "ROOST_CONFIG"]

    mutating func apply(_ file: SettingsFile, path: String) throws(SettingsError) {
        var seen: Set<String> = []
        func unknown(_ key: String) -> SettingsError {
            .unknownKey(key, source: .file(path), nearest: Setting.nearest(to: key, among: Setting.all.map(\.key)))
        }
        var tags: [String: String] = [:]
        func add(tag: String, _ key: String, _ value: String) throws(SettingsError) {
            guard seen.insert(key).inserted else { throw .givenTwice(key: key, source: .file(path)) }
            tags[tag] = value
        }
        for key in file.empty where Setting.byKey[key] == nil {
            if let tag = Setting.tag(key) {
                try add(tag: tag, key, "")
                continue
            }
            // `relocation:` alone is a chapter without lines.
            guard Setting.all.contains(where: { $0.key.hasPrefix(key + ".") }) else { throw unknown(key) }
        }
        for (key, value) in file.pairs {
            if let tag = Setting.tag(key) {
                try add(tag: tag, key, value)
                continue
            }
            guard let setting = Setting.byKey[key] else { throw unknown(key) }
            guard seen.insert(key).inserted else { throw .givenTwice(key: key, source: .file(path)) }
            try set(setting, value, source: .file(path))
        }
        guard !tags.isEmpty else { return }
        guard !seen.contains("tags") else { throw .givenTwice(key: "tags", source: .file(path)) }
        try apply(tags: tags, path: path)
    }

    private mutating func apply(environment: [String: String]) throws(SettingsError) {
        let ours = environment.filter { $0.key.hasPrefix("ROOST_") && !Self.otherVariables.contains($0.key) }
        for (variable, value) in ours.sorted(by: { $0.key < $1.key }) {
            guard let setting = Setting.byVariable[variable] else {
                let nearest = Setting.nearest(to: variable, among: Setting.all.map(\.variable))
                throw .unknownKey(variable, source: .variable(variable), nearest: nearest)
            }
            try set(setting, value, source: .variable(variable))
        }
    }

    private mutating func apply(flags: [(key: String, value: String)]) throws(SettingsError) {
        var texts: [String: String] = [:]
        for (key, value) in flags {
            guard let setting = Setting.byKey[key] else {
                throw .unknownKey(
                    key, source: .flag, nearest: Setting.nearest(to: key, among: Setting.all.map(\.key)))
            }
            if let earlier = texts[key] {
                guard setting.isList else { throw .givenTwice(key: key, source: .flag) }
                texts[key] = earlier + "," + value
            } else {
                texts[key] = value
            }
        }
        for setting in Setting.all {
            if let text = texts[setting.key] { try set(setting, text, source: .flag) }
        }
    }

    private mutating func set(
        _ setting: Setting, _ value: String, source: SettingsError.Source
    ) throws(SettingsError) {
        guard setting.apply(&self, value) else {
            throw .badValue(key: setting.key, value: value, source: source, allowed: setting.allowed)
        }
    }

    /// What no single key can tell.
    func check() throws(SettingsError) {
        guard swim.probeTimeout < swim.probeInterval else {
            throw .contradiction(
                "swim.probe_timeout (\(DurationText.show(swim.probeTimeout))) must be less than swim.probe_interval"
                    + " (\(DurationText.show(swim.probeInterval))): a probe must end before the next begins")
        }
        if let httpBind, httpBind.port == bind.port, bind.port != 0 {
            throw .contradiction(
                "http.bind and bind both name port \(bind.port); give http.bind another, such as 127.0.0.1:7668")
        }
    }
}
