import Vocabulary

// Tags are a map, the only one among the settings: in YAML each has its own line under `tags`, and its own error.

extension Setting {
    /// `tags: {role: edge}` and `tags.role: edge` come as the key `tags.role`.
    static let tagsPrefix = "tags."

    /// What is allowed where a list is not.
    var notList: String? { isList ? nil : allowed }

    /// The tag that a line of YAML is about.
    static func tag(_ key: String) -> String? {
        key.hasPrefix(tagsPrefix) ? String(key.dropFirst(tagsPrefix.count)) : nil
    }
}

extension AgentSettings {
    mutating func apply(tags byKey: [String: String], path: String) throws(SettingsError) {
        do {
            tags = try Tags(byKey)
        } catch {
            switch error {
            case .key(let key):
                throw .badValue(
                    key: Setting.tagsPrefix + key, value: byKey[key] ?? "", source: .file(path),
                    allowed: TagsError.keyRule)
            case .value(let key):
                throw .badValue(
                    key: Setting.tagsPrefix + key, value: byKey[key] ?? "", source: .file(path),
                    allowed: TagsError.valueRule)
            case .tooLarge(let bytes):
                throw .badValue(
                    key: "tags", value: "\(bytes) bytes", source: .file(path), allowed: TagsError.sizeRule)
            }
        }
    }
}

extension SettingKind where Value == Tags {
    /// A comma ends a value here; one that has commas stands in the file.
    static let tags = SettingKind(
        allowed: "KEY=VALUE, more of them separated by commas: \(TagsError.keyRule), \(TagsError.valueRule), and "
            + TagsError.sizeRule,
        parse: { text in
            var byKey: [String: String] = [:]
            for part in text.split(separator: ",").map(\.trimmingSpaces) {
                guard let sign = part.firstIndex(of: "=") else { return nil }
                let key = String(part[..<sign])
                guard byKey.updateValue(String(part[part.index(after: sign)...]), forKey: key) == nil else {
                    return nil
                }
            }
            return try? Tags(byKey)
        }, show: { $0.description })
}
