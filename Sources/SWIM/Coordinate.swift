import Vocabulary

/// A member's place in the space of round trips (Vivaldi: Dabek, Cox, Kaashoek, Morris, SIGCOMM 2004): in a plane, and a
/// height above it for the way from the host to the network's core. The distance of two places is the round trip that
/// is to be expected between two members that have not measured each other yet.
public struct Coordinate: Hashable, Sendable {
    /// Tenths of a millisecond, as all three.
    public let x: Int16
    public let y: Int16
    public let height: UInt16
    /// How far off the estimates were of late, in ten thousandths: 0 exact, 10,000 nothing known yet.
    public let error: UInt16

    public init(x: Int16, y: Int16, height: UInt16, error: UInt16) {
        self.x = x
        self.y = y
        self.height = height
        self.error = error
    }

    public static let origin = Coordinate(x: 0, y: 0, height: 0, error: 10_000)
    static let wireSize = 8
}

/// This node's own place, moved a little by each measured round trip.
struct Position: Sendable {
    private var x = 0.0
    private var y = 0.0
    private var height = 0.0
    private var error = 1.0

    /// The paper's c_e and c_c: a quarter of the way each time settles in some 20 measurements and does not swing.
    private static let gain = 0.25
    private static let unitsPerNanosecond = 1e-5
    /// 5 ms.
    private static let roundTripMin = 50.0
    /// Errors below it promise a precision that a network does not have.
    private static let errorMin = 0.01

    var coordinate: Coordinate {
        func clamp<T: FixedWidthInteger>(_ value: Double, _: T.Type) -> T {
            value.isFinite ? T(min(max(value.rounded(), Double(T.min)), Double(T.max))) : 0
        }
        return Coordinate(
            x: clamp(x, Int16.self), y: clamp(y, Int16.self), height: clamp(height, UInt16.self),
            error: UInt16(min(max(error * 10_000, 0), 10_000)))
    }

    /// The estimate, or nil while either side does not know its own place.
    func roundTrip(to other: Coordinate) -> Duration? {
        guard error < 0.5, other.error < 5_000 else { return nil }
        return .nanoseconds(Int64(distance(to: other) / Self.unitsPerNanosecond))
    }

    private func distance(to other: Coordinate) -> Double {
        let dx = x - Double(other.x)
        let dy = y - Double(other.y)
        // Multiplication, addition and square root are exact to the last bit everywhere (IEEE 754), so runs repeat.
        return (dx * dx + dy * dy).squareRoot() + height + Double(other.height)
    }

    /// The paper's figure 3.
    ///
    /// - Parameter direction: any number; chooses where to go when both are at the same place.
    mutating func measured(_ roundTrip: Duration, to other: Coordinate, direction: UInt8) {
        let rtt = max(Double(min(roundTrip, .seconds(5)).saturatingNanoseconds) * Self.unitsPerNanosecond, 0.1)
        let estimate = distance(to: other)
        // Below some milliseconds it is the hosts' schedulers that are measured, not the way.
        let off = min(abs(estimate - rtt) / max(rtt, Self.roundTripMin), 1)
        // What the other says of its precision is believed as far as what was measured bears it out, or one that lies about
        // its place would move everybody's.
        let told = Double(min(other.error, 10_000)) / 10_000
        let otherError = max(told, off * (1 - error), Self.errorMin)
        let weight = error / (error + otherError)
        error = min(max(off * Self.gain * weight + error * (1 - Self.gain * weight), Self.errorMin), 1)
        let farthest = max(rtt, Self.roundTripMin)
        let force = min(max(Self.gain * weight * (rtt - estimate), -farthest), farthest)
        var dx = x - Double(other.x)
        var dy = y - Double(other.y)
        let length = (dx * dx + dy * dy).squareRoot()
        if length < 0.1 {
            let way = Self.directions[Int(direction & 7)]
            (dx, dy) = way
        } else {
            (dx, dy) = (dx / length, dy / length)
        }
        x = min(max(x + force * dx, -32_000), 32_000)
        y = min(max(y + force * dy, -32_000), 32_000)
        // The heights take the share of the distance that they have; a height is never negative.
        let share = (height + Double(other.height)) / max(estimate, 0.5)
        height = min(max(height + force * share, 0.5), 32_000)
    }

    private static let directions: [(Double, Double)] = [
        (1, 0), (0, 1), (-1, 0), (0, -1), (0.6, 0.8), (-0.8, 0.6), (-0.6, -0.8), (0.8, -0.6),
    ]
}
