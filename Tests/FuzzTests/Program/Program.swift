// The fuzzer's program: libFuzzer's own `main` calls these two. `.ci/fuzz` builds and runs it.
import Foundation

/// Set once by libFuzzer's first call, before any input; the process has one thread of ours.
nonisolated(unsafe) private var subject: (any Subject)?

/// `ROOST_FUZZ_SUBJECT` names the subject. With `ROOST_FUZZ_SEEDS` its seeds are written into that folder, and that is
/// all.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> CInt {
    let environment = ProcessInfo.processInfo.environment
    do {
        guard let chosen = environment["ROOST_FUZZ_SUBJECT"].flatMap(Subjects.init(rawValue:)) else {
            throw BrokenLaw("ROOST_FUZZ_SUBJECT names a subject", "\(Subjects.allCases.map(\.rawValue))")
        }
        let made = try chosen.make()
        if let folder = environment["ROOST_FUZZ_SEEDS"] {
            for (index, seed) in try made.seeds().enumerated() {
                try Data(seed).write(to: URL(filePath: "\(folder)/seed-\(index)"))
            }
            exit(0)
        }
        subject = made
    } catch {
        FileHandle.standardError.write(Data("\(error)\n".utf8))
        exit(64)
    }
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do { try subject?.run(Array(UnsafeBufferPointer(start: bytes, count: count))) } catch {
        FileHandle.standardError.write(Data("law broken: \(error)\n".utf8))
        abort()
    }
    return 0
}
