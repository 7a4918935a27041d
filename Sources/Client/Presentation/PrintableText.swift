/// Text of others, before it is kept or shown: nothing in it moves the cursor, colours what follows, begins a line that
/// looks like one of ours, or turns the direction of reading.
extension String {
    /// - Parameters:
    ///   - max: of more Unicode scalars the rest is left out, and "…" says so.
    ///   - keepingLines: line breaks and tabs stay, for text that may have several lines.
    public func printable(max: Int = .max, keepingLines: Bool = false) -> String {
        var shown = String.UnicodeScalarView()
        var count = 0
        for scalar in unicodeScalars {
            guard count < max else {
                if max > 0 { shown.replaceSubrange(shown.index(before: shown.endIndex)..., with: ["…"]) }
                break
            }
            count += 1
            let isLayout = keepingLines && (scalar == "\n" || scalar == "\t")
            shown.append(isLayout || !Self.isDisruptive(scalar) ? scalar : "?")
        }
        return String(shown)
    }

    /// Control characters, line separators, and what overrides the direction of the text around it.
    private static func isDisruptive(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
        default: scalar.properties.generalCategory == .control
        }
    }

    /// Of a JSON text: the same value without DEL and the controls past it, which JSON lets stand as they are and a
    /// terminal obeys. They can stand in its strings only.
    public var escapingControls: String {
        guard unicodeScalars.contains(where: { Self.standsInJSON($0) }) else { return self }
        var text = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            guard Self.standsInJSON(scalar) else {
                text.append(scalar)
                continue
            }
            text.append(contentsOf: "\\u00\(String(scalar.value, radix: 16))".unicodeScalars)
        }
        return String(text)
    }

    private static func standsInJSON(_ scalar: Unicode.Scalar) -> Bool { (0x7F...0x9F).contains(scalar.value) }
}
