/// What is wrong, where, and what to write instead.
struct Finding: CustomStringConvertible, Equatable {
    let path: String
    /// From 1.
    let line: Int
    let problem: String
    let replacement: String

    var description: String { "\(path):\(line): \(problem); instead: \(replacement)" }
}
