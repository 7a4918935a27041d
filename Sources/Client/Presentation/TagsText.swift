/// Tags as one line for people: by key, long values cut, so that one of 4 KiB does not hide the others.
public enum TagsText {
    public static func line(_ byKey: [String: String], valueMax: Int, max: Int) -> String {
        let pairs = byKey.sorted { $0.key < $1.key }.map { "\($0.key)=\(cut($0.value, to: valueMax))" }
        return cut(pairs.joined(separator: ","), to: max)
    }

    private static func cut(_ text: String, to max: Int) -> String {
        text.count <= max ? text : text.prefix(Swift.max(0, max - 1)) + "…"
    }
}
