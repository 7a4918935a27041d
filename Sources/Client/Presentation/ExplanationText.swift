/// How a member came to be held for what it is, in lines for people.
public enum ExplanationText {
    public static func steps(of why: API.Explanation) -> [String] {
        var lines = why.steps.map { "  \(HumanUnits.time($0.time))  \($0.type): \($0.text.printable())" }
        if lines.isEmpty { lines.append(withoutSteps(why.state)) }
        if !why.accusers.isEmpty { lines.append("accused by \(why.accusers.joined(separator: ", "))") }
        return lines
    }

    /// A node that came when it had happened was told the outcome, and saw nothing of how it came about.
    private static func withoutSteps(_ state: API.MemberState) -> String {
        switch state {
        case .alive, .restarting, .draining: "nobody has suspected it since the node asked knows it"
        case .suspect: "it was a suspect already when the node asked heard of it first"
        case .crashed: "it had crashed already when the node asked heard of it first"
        case .left: "it has left, and nobody had suspected it before that the node asked knows of"
        }
    }
}
