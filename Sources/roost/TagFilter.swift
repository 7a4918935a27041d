import ArgumentParser
import Client

/// `--tag KEY=VALUE`: which members are meant. The value is a regular expression of the whole value, as Serf has it
/// (`role=web.*`), or the value itself, whatever it would mean as an expression.
struct TagFilter {
    private struct Condition {
        let key: String
        let value: String
        let expression: Regex<AnyRegexOutput>?
    }

    private let conditions: [Condition]

    /// - Throws: `ValidationError` for what is no condition.
    init(_ texts: [String]) throws {
        conditions = try texts.map { text in
            guard let sign = text.firstIndex(of: "="), sign != text.startIndex else {
                throw ValidationError("--tag \(text): write KEY=VALUE, as in --tag role=edge or --tag 'role=web.*'.")
            }
            let value = String(text[text.index(after: sign)...])
            return Condition(key: String(text[..<sign]), value: value, expression: try? Regex(value))
        }
    }

    /// All conditions hold. Of a member whose tags are not known yet none does.
    func matches(_ member: API.Member) -> Bool {
        conditions.allSatisfy { condition in
            guard let value = member.tags?[condition.key] else { return false }
            if value == condition.value { return true }
            guard let expression = condition.expression else { return false }
            return (try? expression.wholeMatch(in: value)) != nil
        }
    }
}
