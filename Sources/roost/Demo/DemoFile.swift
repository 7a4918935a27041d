/// One text file of the story: small and large, empty, with a name beyond ASCII, some that belong to a node.
struct DemoFile: Sendable {
    let name: String
    let bytes: [UInt8]
    let home: String?

    static func all() -> [DemoFile] {
        var files = [
            DemoFile(name: "notes/empty.txt", bytes: [], home: nil),
            DemoFile(name: "notes/motto.txt", bytes: Array("Umoja ni nguvu: unity is strength.\n".utf8), home: "simba"),
            DemoFile(name: "hadithi/mkango na simba 🦁.txt", bytes: text(lines: 40, seed: 7), home: "simba"),
            DemoFile(name: "notes/pride.txt", bytes: text(lines: 120, seed: 8), home: "mpologoma"),
            DemoFile(name: "logs/ingress.log", bytes: text(lines: 15_000, seed: 9), home: nil),
            DemoFile(name: "archive/year.txt", bytes: archive(byteCount: 32 << 20), home: nil),
        ]
        for number in 1...16 {
            let name = "clusters/\(number < 10 ? "0" : "")\(number).yaml"
            let home: String? = number % 8 == 0 ? "simba" : nil
            files.append(DemoFile(name: name, bytes: text(lines: number * 9, seed: UInt64(number) + 100), home: home))
        }
        return files
    }

    static func byteCount(_ files: [DemoFile]) -> UInt64 { files.reduce(0) { $0 + UInt64($1.bytes.count) } }

    /// Lines of a log, some 70 bytes each; the same for the same seed.
    private static func text(lines: Int, seed: UInt64) -> [UInt8] {
        var state = seed
        var bytes: [UInt8] = []
        bytes.reserveCapacity(lines * 72)
        for line in 0..<lines {
            // Knuth's MMIX generator: any spread will do.
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes.append(contentsOf: "\(line) cluster-\(state >> 60) pod-\(state >> 32) answered \(state >> 40)\n".utf8)
        }
        return bytes
    }

    /// Blocks that differ in their first line only: quick to make.
    private static func archive(byteCount: Int) -> [UInt8] {
        let block = Array(text(lines: 1000, seed: 10).prefix(32_000))
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount + block.count + 64)
        var number = 0
        while bytes.count < byteCount {
            bytes.append(contentsOf: "--- day \(number) ---\n".utf8)
            bytes.append(contentsOf: block)
            number += 1
        }
        bytes.removeLast(bytes.count - byteCount)
        return bytes
    }
}
