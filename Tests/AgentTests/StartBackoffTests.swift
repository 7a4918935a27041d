import Testing

@testable import Agent

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite struct StartBackoffTests {
    @Test("each start that follows on others that did not last waits longer, up to half a minute")
    func pauses() {
        let seconds = (0...8).map { StartBackoff.pause(after: $0).components.seconds }
        #expect(seconds == [0, 0, 2, 4, 8, 16, 30, 30, 30])
        #expect(StartBackoff.pause(after: .max) == StartBackoff.pauseMax)
    }

    @Test("starts are counted until one lasts; what nobody wrote counts as none, as where there is no folder")
    func counted() throws {
        let bed = try TestBed()
        let folder = bed.folder.path
        #expect(StartBackoff(environment: [:]) == nil)
        let backoff = try #require(StartBackoff(environment: ["RUNTIME_DIRECTORY": "\(folder):/elsewhere"]))
        #expect((0..<3).map { _ in backoff.begin() } == [0, 1, 2])
        backoff.end()
        #expect(backoff.begin() == 0)
        for odd in ["-5", "a lot", ""] {
            try Data(odd.utf8).write(to: URL(filePath: "\(folder)/starts"))
            #expect(backoff.begin() == 0, "\(odd)")
        }
        for many in ["4000", "99999999999999999999"] {
            try Data(many.utf8).write(to: URL(filePath: "\(folder)/starts"))
            #expect(backoff.begin() == 1_000)
        }
        let nowhere = try #require(StartBackoff(environment: ["RUNTIME_DIRECTORY": "\(folder)/none"]))
        #expect((0..<2).map { _ in nowhere.begin() } == [0, 0])
        nowhere.end()
    }
}
