/// A pattern over whole names, as `find` takes it: `*` any run of characters, `/` included; `?` any one character,
/// `/` included; `[abc]`, `[a-z]` and `[!abc]` one character of (or not of) a set; `\` takes the next one literally.
/// A `[` without its `]` stands for itself. Characters are Unicode scalars and letters differ by case, as in names.
///
/// `*` crosses `/` because names are a flat space that only looks like folders: `*.log` finds every log.
public struct Glob: Hashable, Sendable {
    public let text: String
    private let parts: [Part]

    private enum Part: Hashable, Sendable {
        case literal(Unicode.Scalar)
        case any
        case run
        case oneOf([ClosedRange<Unicode.Scalar>], negated: Bool)

        func matches(_ scalar: Unicode.Scalar) -> Bool {
            switch self {
            case .literal(let wanted): scalar == wanted
            case .any, .run: true
            case .oneOf(let ranges, let negated): ranges.contains { $0.contains(scalar) } != negated
            }
        }
    }

    /// Every text is a pattern; one of more scalars than any name could need matches nothing.
    public init(_ text: String) {
        self.text = text
        let scalars = Array(text.unicodeScalars.prefix(Self.scalarCountMax + 1))
        guard scalars.count <= Self.scalarCountMax else {
            parts = [.oneOf([], negated: false)]
            return
        }
        var parts: [Part] = []
        var index = 0
        while index < scalars.count {
            switch scalars[index] {
            case "*":
                if parts.last != .run { parts.append(.run) }
                index += 1
            case "?":
                parts.append(.any)
                index += 1
            case "\\" where index + 1 < scalars.count:
                parts.append(.literal(scalars[index + 1]))
                index += 2
            case "[":
                if let (set, next) = Self.set(in: scalars, after: index) {
                    parts.append(set)
                    index = next
                } else {
                    parts.append(.literal("["))
                    index += 1
                }
            case let scalar:
                parts.append(.literal(scalar))
                index += 1
            }
        }
        self.parts = parts
    }

    public static let scalarCountMax = 2_048

    /// What every match begins with: listings start and stop there instead of reading every name.
    public var literalPrefix: String {
        var prefix = String.UnicodeScalarView()
        for case .literal(let scalar) in parts.prefix(while: { if case .literal = $0 { true } else { false } }) {
            prefix.append(scalar)
        }
        return String(prefix)
    }

    /// Whether the whole name matches; at most pattern × name steps, as only the last `*` is ever tried again.
    public func matches(_ name: String) -> Bool {
        let scalars = Array(name.unicodeScalars)
        var part = 0
        var index = 0
        var retry: (part: Int, index: Int)?
        while index < scalars.count {
            if part < parts.count, parts[part] == .run {
                retry = (part + 1, index)
                part += 1
            } else if part < parts.count, parts[part].matches(scalars[index]) {
                part += 1
                index += 1
            } else if let last = retry {
                retry = (last.part, last.index + 1)
                part = last.part
                index = last.index + 1
            } else {
                return false
            }
        }
        return parts[part...].allSatisfy { $0 == .run }
    }

    private static func set(in scalars: [Unicode.Scalar], after open: Int) -> (Part, next: Int)? {
        var index = open + 1
        var negated = false
        if index < scalars.count, scalars[index] == "!" || scalars[index] == "^" {
            negated = true
            index += 1
        }
        var ranges: [ClosedRange<Unicode.Scalar>] = []
        var first = true
        while index < scalars.count {
            if scalars[index] == "]" && !first { return (.oneOf(ranges, negated: negated), index + 1) }
            first = false
            let low = scalars[index]
            if index + 2 < scalars.count, scalars[index + 1] == "-", scalars[index + 2] != "]" {
                // A range that runs backwards has no members.
                if low <= scalars[index + 2] { ranges.append(low...scalars[index + 2]) }
                index += 3
            } else {
                ranges.append(low...low)
                index += 1
            }
        }
        return nil
    }
}
