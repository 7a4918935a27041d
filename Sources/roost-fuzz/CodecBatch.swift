import Gossip
import SWIM

/// Packets of the grammar, mutated, into the codec. It may refuse them; what it takes must be exactly what it would
/// write itself, so that nothing rides along unseen and no two readings of one datagram exist.
struct CodecBatch {
    /// Packets that the mutations of one stretch begin with, and are spliced with.
    private static let stockSize = 64
    private static let stretch = 1_024

    private var dice: Dice
    private let grammar: PacketGrammar
    private var stock: [[UInt8]] = []

    init(dice: Dice) throws {
        self.dice = dice
        grammar = try PacketGrammar(names: 40, &self.dice)
    }

    /// - Returns: how many were packets.
    mutating func run(_ steps: inout Steps) throws -> Int {
        var decoded = 0
        while steps.next() {
            if steps.position % Self.stretch == 0 { try restock() }
            var bytes = stock[dice.below(stock.count)]
            switch dice.below(20) {
            case 0: bytes = dice.bytes(dice.below(200))
            case 1: break
            default: ByteMutator.mutate(&bytes, besides: stock[dice.below(stock.count)], &dice)
            }
            steps.input = bytes
            if try judge(bytes) { decoded += 1 }
        }
        return decoded
    }

    private func judge(_ bytes: [UInt8]) throws -> Bool {
        let packet: Packet
        do throws(GossipError) {
            packet = try PacketCodec.decode(bytes[...])
        } catch {
            guard case .malformed = error else { throw Violation("the codec refuses as malformed", "\(error)") }
            return false
        }
        guard PacketCodec.encode(packet) == bytes else {
            throw Violation("what decodes is what encode writes", "\(packet)")
        }
        guard packet.wireSize == bytes.count else {
            throw Violation("wireSize is the number of bytes", "\(packet.wireSize) for \(bytes.count) of \(packet)")
        }
        return true
    }

    private mutating func restock() throws {
        stock = (0..<Self.stockSize).map { _ in
            PacketCodec.encode(grammar.packet(from: grammar.name(&dice), to: grammar.name(&dice), &dice))
        }
        for bytes in stock where try !judge(bytes) { throw Violation("what encode writes decodes", "\(bytes)") }
    }
}
