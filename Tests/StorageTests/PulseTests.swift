import Foundation
import Testing

@testable import Storage

@Suite("Whether the disk answers")
struct PulseTests {
    @Test("each look writes to the folder, which a frozen file system does not take, and changes nothing there")
    func writes() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            let lock = "\(scratch.data)/lock"
            let before = try String(contentsOfFile: lock, encoding: .utf8)
            for _ in 0..<2 {
                let long = Date(timeIntervalSince1970: 1_000_000)
                try FileManager.default.setAttributes([.modificationDate: long], ofItemAtPath: lock)
                try await store.pulse()
                let written = try FileManager.default.attributesOfItem(atPath: lock)[.modificationDate] as? Date
                #expect(try #require(written) > long)
            }
            #expect(try String(contentsOfFile: lock, encoding: .utf8) == before)
        }
        await #expect(throws: StorageError.closed(folder: scratch.data)) {
            let store = try await open(scratch.data)
            await store.shutdown()
            try await store.pulse()
        }
    }

    @Test("a full disk, which left no room for the process id, is no disk that hangs")
    func empty() async throws {
        let scratch = try Scratch()
        try await withStore(scratch) { store in
            #expect(truncate("\(scratch.data)/lock", 0) == 0)
            try await store.pulse()
            #expect(try Data(contentsOf: URL(fileURLWithPath: "\(scratch.data)/lock")).isEmpty)
        }
    }
}
