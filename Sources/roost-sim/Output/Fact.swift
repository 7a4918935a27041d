/// What a run was made with: a field of its JSON, and some words above its table.
struct Fact {
    let key: String
    /// As JSON.
    let json: String
    let words: String

    init(_ key: String, _ number: Int, _ unit: String) {
        self.key = key
        json = String(number)
        words = "\(number) \(unit)"
    }

    /// - Parameter text: plain, nothing to escape.
    init(_ key: String, _ text: String, _ unit: String) {
        self.key = key
        json = Double(text) != nil || text == "true" ? text : "\"\(text)\""
        words = text == "true" ? unit : "\(text) \(unit)"
    }
}

extension [Fact] {
    var sentence: String { map(\.words).joined(separator: ", ") }
}
