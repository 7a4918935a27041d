import Client

/// What was found of one name when all was over: what every node answers, and what every node has on its own disk.
struct SoakEvidence: Sendable {
    struct Dot: Hashable, Sendable, Decodable {
        let node: String
        let epoch: UInt64
        let counter: UInt64

        var text: String { "\(node).\(String(epoch, radix: 36)).\(String(counter, radix: 36))" }
    }

    /// One version as a node keeps it, read by what PROTOCOL says and not by the agent's code.
    struct Version: Hashable, Sendable {
        let dot: Dot
        /// What its writer had seen: the greatest dot of each boot.
        let context: [Dot]
        let milliseconds: UInt64
        /// `nil` of a delete.
        let sha256: String?

        func hasSeen(_ dot: Dot) -> Bool {
            context.contains { $0.node == dot.node && $0.epoch == dot.epoch && $0.counter >= dot.counter }
        }
    }

    /// What bytes turned out to be.
    enum Bytes: Hashable, Sendable, CustomStringConvertible {
        /// Just those of a write, by its number; of a counter, its value.
        case write(Int)
        /// Nobody wrote them.
        case foreign
        case missing

        var description: String {
            switch self {
            case .write(let number): "the bytes of write \(number)"
            case .foreign: "bytes that nobody wrote"
            case .missing: "nothing"
            }
        }
    }

    /// What one node says, whoever it asks for it.
    struct Answer: Sendable {
        var bytes = Bytes.missing
        /// Of these bytes.
        var version: String?
        /// Empty when it knows of none.
        var history: [API.HistoryEntry] = []
        /// `nil` when there is no such name.
        var place: API.Where?
    }

    /// By node, of every node.
    var answers: [String: Answer] = [:]
    /// By node, the greatest version first; empty of one that has none.
    var holdings: [String: [Version]] = [:]
    /// The bytes on each holder's own disk, by node and version.
    var held: [String: [String: Bytes]] = [:]
    /// What `?version=` gave, of every version in the history.
    var given: [String: Bytes] = [:]
}

extension SoakEvidence.Dot {
    /// Parses a version's text.
    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let epoch = UInt64(parts[1], radix: 36), let counter = UInt64(parts[2], radix: 36)
        else { return nil }
        self.init(node: String(parts[0]), epoch: epoch, counter: counter)
    }
}

extension SoakEvidence.Version: Decodable {
    private struct Content: Decodable {
        struct Blob: Decodable { let digest: String }
        let blob: Blob?
    }

    private enum CodingKeys: String, CodingKey { case dot, context, time, content }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        dot = try container.decode(SoakEvidence.Dot.self, forKey: .dot)
        context = try container.decode([SoakEvidence.Dot].self, forKey: .context)
        // A hybrid time: the lower 16 bits count.
        milliseconds = try container.decode(UInt64.self, forKey: .time) >> 16
        sha256 = try container.decode(Content.self, forKey: .content).blob?.digest
    }
}
