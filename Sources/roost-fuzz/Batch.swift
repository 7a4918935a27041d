import Vocabulary

/// One batch of a layer: everything it does follows from the seed and its place.
enum Batch {
    /// - Parameters:
    ///   - stopAfter: when a failure is run again, the datagram to end with.
    ///   - tellsStory: keeps the last inputs of a storm, for the report.
    static func run(
        seed: UInt64, _ place: Place, in slot: BlackBox.Slot, stopAfter: Int? = nil, tellsStory: Bool = false
    ) throws(Failure) -> Tally {
        var steps = Steps(place, in: slot, stopAfter: stopAfter)
        defer { slot.end() }
        let dice = Dice(seed: seed, layer: place.layer, batch: place.batch)
        let start = ContinuousClock.now
        var isOver = false
        do {
            let passed: Int
            switch place.layer {
            case .opener:
                var batch = try OpenerBatch(dice: dice)
                passed = try batch.run(&steps)
            case .codec:
                var batch = try CodecBatch(dice: dice)
                passed = try batch.run(&steps)
            case .membership:
                var storm = try Storm(dice: dice, tellsStory: tellsStory)
                passed = try storm.run(&steps)
                isOver = true
                if stopAfter == nil { try storm.calm() }
            }
            return Tally(
                datagrams: steps.position + 1, passed: passed, seconds: (ContinuousClock.now - start).seconds)
        } catch {
            var at = place
            at.datagram = max(steps.position, 0)
            // What fails when the storm is over fails again only after the whole of it.
            throw Failure(seed: seed, place: at, isAfterAll: isOver, reason: "\(error)", input: steps.input)
        }
    }
}

/// A broken law, and how to see it again.
struct Failure: Error, CustomStringConvertible {
    let seed: UInt64
    let place: Place
    let isAfterAll: Bool
    let reason: String
    let input: [UInt8]

    var description: String {
        var text = "\(place): \(reason)\n"
        if !input.isEmpty {
            let digits = input.map { byte in
                let text = String(byte, radix: 16)
                return byte < 16 ? "0" + text : text
            }
            text += "datagram: \(digits.joined())\n"
        }
        let again = isAfterAll ? "\(place.layer.rawValue):\(place.batch)" : "\(place)"
        return text + "again: roost-fuzz --seed \(seed) --replay \(again)"
    }
}
