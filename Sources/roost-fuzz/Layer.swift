import ArgumentParser

/// How deep a datagram gets before it is judged.
enum Layer: String, CaseIterable, Sendable, ExpressibleByArgument {
    /// Raw bytes, most of them from nobody of the cluster, into `Opener`.
    case opener
    /// What is inside an intact seal, into `PacketCodec`.
    case codec
    /// Packets that decode, and yet mean harm, into a `Membership` whose clock moves.
    case membership

    var number: Int {
        switch self {
        case .opener: 0
        case .codec: 1
        case .membership: 2
        }
    }

    /// The datagrams of one batch: it begins with nothing, so that it can be run again alone. Long enough to fill what
    /// is bounded: the opener's 8,192 sessions, a membership's table.
    var batchSize: Int {
        switch self {
        case .opener: 65_536
        case .codec: 65_536
        case .membership: 50_000
        }
    }

    /// Of ten datagrams so many go here: fewest to the slowest.
    var share: Int {
        switch self {
        case .opener: 3
        case .codec: 4
        case .membership: 3
        }
    }
}

/// A law that a datagram broke.
struct Violation: Error, CustomStringConvertible {
    let law: String
    let found: String

    init(_ law: String, _ found: String) {
        self.law = law
        self.found = found
    }

    var description: String { "\(law): \(found)" }
}

/// Where a run is: enough to run the same again.
struct Place: Sendable, CustomStringConvertible {
    let layer: Layer
    let batch: Int
    var datagram: Int

    var description: String { "\(layer.rawValue):\(batch):\(datagram)" }
}

/// What one batch came to.
struct Tally: Sendable {
    var datagrams = 0
    /// Those that passed the layer: opened, decoded, or were heard.
    var passed = 0
    var seconds = 0.0

    static func += (a: inout Tally, b: Tally) {
        a.datagrams += b.datagrams
        a.passed += b.passed
        a.seconds += b.seconds
    }
}
