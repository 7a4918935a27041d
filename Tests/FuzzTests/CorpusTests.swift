import Foundation
import Testing

/// Inputs that reach what is hard to reach, or that once broke something: `.ci/fuzz` found them.
@Suite("The fuzzer's corpus, without the fuzzer", .timeLimit(.minutes(3)))
struct CorpusTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Corpus")
    private static let filesMax = 200
    private static let bytesMax = 300_000

    @Test("every input is judged, and no law is broken", arguments: Subjects.allCases)
    func inputs(_ subject: Subjects) throws {
        let judge = try subject.make()
        let files = try Self.files(of: subject)
        try #require(!files.isEmpty, "Tests/Corpus/\(subject.rawValue) has inputs")
        for file in files {
            do { try judge.run([UInt8](try Data(contentsOf: file))) } catch {
                Issue.record("\(subject.rawValue)/\(file.lastPathComponent): \(error)")
            }
        }
    }

    @Test(
        "what the agent's own encoders write breaks no law, whole, cut short or changed", arguments: Subjects.allCases)
    func seeds(_ subject: Subjects) throws {
        let judge = try subject.make()
        for (index, seed) in try judge.seeds().enumerated() {
            for input in [seed, seed.dropLast(), seed + [0], seed + seed] {
                do { try judge.run(Array(input)) } catch {
                    Issue.record("\(subject.rawValue), seed \(index): \(error)")
                }
            }
        }
    }

    @Test("the corpus stays small: it is run with every commit")
    func size() throws {
        let files = try Subjects.allCases.flatMap(Self.files)
        #expect(files.count <= Self.filesMax)
        let bytes = try files.reduce(0) { try $0 + Data(contentsOf: $1).count }
        #expect(bytes <= Self.bytesMax)
    }

    private static func files(of subject: Subjects) throws -> [URL] {
        try FileManager.default.contentsOfDirectory(
            at: folder.appending(path: subject.rawValue), includingPropertiesForKeys: nil
        ).sorted { $0.path < $1.path }
    }
}
