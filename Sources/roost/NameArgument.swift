import Agent
import ArgumentParser

/// The name of a resource on the command line: a wrong one is wrong usage, and no agent is asked.
enum NameArgument {
    /// - Throws: `ValidationError` with what is wrong.
    static func parse(_ text: String) throws -> String {
        if let problem = NameCheck.problem(with: text) { throw ValidationError(problem) }
        return text
    }
}
