import Resources
import Vocabulary

/// Up to four writers of one name that see each other's writes now and then, with clocks up to an hour off, restarts
/// with their disk, with an empty one, and with a clock set back: what real clusters do to a version.
struct History {
    struct Writer {
        let name: NodeName
        var set: VersionSet?
        var clock = HybridClock()
        var clockError: Int64  // milliseconds
        var epoch: UInt64
        var counter: UInt64 = 0
        /// Every write that this writer's present set has come from: the truth that contexts stand for.
        var seen: Set<Dot> = []
    }

    var rng: SeededGenerator
    var writers: [Writer]
    var now: UInt64 = 1_700_000_000_000
    /// Everything ever written, with what its writer truly had seen.
    var versions: [Version] = []
    var truth: [Dot: Set<Dot>] = [:]
    let name: ResourceName

    init(seed: UInt64) throws {
        rng = SeededGenerator(seed: seed)
        name = try ResourceName("a/b")
        writers = []
        for index in 0..<Int.random(in: 1...4, using: &rng) {
            let error = Int64.random(in: -3_600_000...3_600_000, using: &rng)
            writers.append(
                Writer(name: try NodeName("n\(index)"), clockError: error, epoch: UInt64(Int64(now) + error)))
        }
    }

    mutating func run(steps: Int, deletes: Bool = true, wipes: Bool = true) throws {
        for _ in 0..<steps {
            now += UInt64.random(in: 0...5_000, using: &rng)
            let index = Int.random(in: 0..<writers.count, using: &rng)
            switch Int.random(in: 0..<10, using: &rng) {
            case 0..<5: write(index, delete: deletes && Int.random(in: 0..<4, using: &rng) == 0)
            case 5..<8: exchange(index, with: Int.random(in: 0..<writers.count, using: &rng))
            default: restart(index, empty: wipes && Bool.random(using: &rng))
            }
        }
    }

    private func wall(_ writer: Writer) -> UInt64 { UInt64(Int64(now) + writer.clockError) }

    private mutating func write(_ index: Int, delete: Bool) {
        let byte = UInt8.random(in: 0...255, using: &rng)
        let digest = ContentDigest(bytes: [UInt8](repeating: byte, count: 32))
        var content = Version.Content.tombstone
        if !delete, let digest { content = .blob(digest: digest, size: UInt64(byte), mediaType: "text/plain") }
        let request = WriteRequest(name: name, content: content, home: nil, precondition: .none)
        let dot = Dot(node: writers[index].name, epoch: writers[index].epoch, counter: writers[index].counter + 1)
        let time = wall(writers[index])
        guard
            let version = try? request.version(
                after: writers[index].set, dot: dot, clock: &writers[index].clock, wallMilliseconds: time)
        else { return }  // a delete of what does not exist
        writers[index].counter += 1
        writers[index].set = writers[index].set?.merged(with: [version]) ?? VersionSet(version)
        truth[dot] = writers[index].seen
        writers[index].seen.insert(dot)
        versions.append(version)
    }

    private mutating func exchange(_ index: Int, with other: Int) {
        guard let theirs = writers[other].set else { return }
        writers[index].set = writers[index].set?.merged(with: theirs.versions) ?? theirs
        writers[index].seen.formUnion(writers[other].seen)
        for version in theirs.versions { writers[index].clock.observe(version.time) }
    }

    private mutating func restart(_ index: Int, empty: Bool) {
        writers[index].clockError = Int64.random(in: -3_600_000...3_600_000, using: &rng)
        // A kept disk makes the epoch grow; an empty one can not know what it was.
        let epoch = wall(writers[index])
        writers[index].epoch = empty ? epoch : max(writers[index].epoch + 1, epoch)
        writers[index].counter = 0
        if empty {
            writers[index].set = nil
            writers[index].seen = []
            writers[index].clock = HybridClock()
        }
    }

    /// A random part of what was written, as a set.
    mutating func part(at most: Int = .max) -> VersionSet? {
        let some = versions.shuffled(using: &rng).prefix(
            Int.random(in: 1...max(1, min(most, versions.count)), using: &rng))
        return VersionSet(Array(some))
    }
}
