/// A configuration as those see it who set a host up: whether it is an operator's already.
public enum SettingsText {
    /// What the example that is installed with the package sets beside `certs`.
    private static let installed: Set<String> = ["log.format"]

    /// Whether the file sets anything but what `beside` has with the same value and the installed example sets.
    /// A file that is not there sets nothing.
    public static func hasOwn(path: String, beside: [String: String]) throws(SettingsError) -> Bool {
        guard let file = try file(path) else { return false }
        return file.pairs.contains { key, value in !installed.contains(key) && beside[key] != value }
    }

    public static func names(_ key: String, path: String) throws(SettingsError) -> Bool {
        try file(path)?.pairs.contains { $0.key == key } ?? false
    }

    /// - Throws: what an agent that starts with this text would say of it.
    public static func check(_ text: String, path: String) throws(SettingsError) {
        var settings = AgentSettings()
        try settings.apply(SettingsFile(yaml: text, path: path), path: path)
    }

    private static func file(_ path: String) throws(SettingsError) -> SettingsFile? {
        do throws(SettingsError) { return try SettingsFile(path: path) } catch {
            if case .unreadable(_, let reason) = error, reason == BoundedFile.missing { return nil }
            throw error
        }
    }
}
