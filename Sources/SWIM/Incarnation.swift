/// The version of what a member says about itself within one boot epoch. Only the member itself raises it: to refute
/// an accusation, or to tell of a new state, address or metadata. What is stored of others never goes back.
public struct Incarnation: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let number: UInt32

    public init(_ number: UInt32) { self.number = number }

    public static let zero = Incarnation(0)

    /// The next one; the last one stays the last one, so that a hostile number can not wrap anybody to zero.
    public var next: Incarnation { Incarnation(number == .max ? .max : number + 1) }

    public static func < (a: Incarnation, b: Incarnation) -> Bool { a.number < b.number }
    public var description: String { String(number) }
}

extension Incarnation: Codable {
    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(UInt32.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(number)
    }
}
