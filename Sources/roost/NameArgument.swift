import ArgumentParser
import Resources

/// The name of a resource on the command line: a wrong one is wrong usage, and no agent is asked.
enum NameArgument {
    /// - Throws: `ValidationError` with what is wrong.
    static func parse(_ text: String) throws -> String {
        do { return try ResourceName(text).text } catch { throw ValidationError("\(error)") }
    }
}
