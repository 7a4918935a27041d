import ArgumentParser
import Client

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Data goes to stdout, everything said about it to stderr: `roost … | next` never reads a remark as data.
///
/// Much of what is printed came from other machines. Every way out of here is for a terminal to read, so no control
/// character passes but what `paint` makes. (The bytes of a resource have a way of their own.)
enum Terminal {
    /// What a process has that SIGPIPE ended, as every filter does when its reader goes.
    static let brokenPipeStatus: Int32 = 128 + SIGPIPE

    /// One line (or several) for a person.
    static func say(_ text: String) { write(text.printable(keepingLines: true) + "\n", to: STDERR_FILENO) }

    /// One line of data.
    static func print(_ text: String) { print(painted: text.printable(keepingLines: true)) }

    /// The same where parts have colour; whoever paints makes sure of the rest, as `Table` does.
    static func print(painted text: String) { write(text + "\n", to: STDOUT_FILENO) }

    /// A part of a JSON value, without a newline.
    static func print(jsonPart text: String) { write(text, to: STDOUT_FILENO) }

    /// One JSON value on one line. Sizes, names and times are the types' own `Codable` form.
    static func print(json value: some Encodable) throws { print(jsonPart: try json(value) + "\n") }

    static func json(_ value: some Encodable) throws -> String {
        do { return try API.JSON.text(value).escapingControls } catch { throw CommandFailure(client: error) }
    }

    /// All of it, whatever the pipe takes at once. A reader who has gone ends the process quietly; that nobody hears
    /// remarks is no failure.
    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            #if canImport(Glibc)
                let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            #else
                let count = bytes.withUnsafeBytes { Darwin.write(descriptor, $0.baseAddress, $0.count) }
            #endif
            if count >= 0 {
                bytes = bytes.dropFirst(count)
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&waiting, 1, 1000)
            case EPIPE where descriptor == STDOUT_FILENO: exit(brokenPipeStatus)
            default:
                guard descriptor == STDOUT_FILENO else { return }
                say("roost: writing standard output failed: \(String(cString: strerror(errno)))")
                exit(ExitStatus.failed.rawValue)
            }
        }
    }

    // MARK: What a terminal can show

    static var width: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col) - 1
    }

    /// A bar on stderr when that is a terminal, a silent one otherwise.
    static func progressBar(_ label: String) -> ProgressBar {
        let isTerminal = isatty(STDERR_FILENO) == 1
        let draw: @Sendable (String) -> Void = { Terminal.write($0, to: STDERR_FILENO) }
        return ProgressBar(label: label, width: width, write: isTerminal ? draw : nil)
    }

    /// Colour on stdout: a terminal that has it, and a user who has not said no (https://no-color.org).
    static var hasColour: Bool {
        isatty(STDOUT_FILENO) == 1 && Environment["NO_COLOR"] == nil && Environment["TERM"] != "dumb"
    }

    enum Colour: String { case red = "31", green = "32", yellow = "33", dim = "2" }

    static func paint(_ text: String, _ colour: Colour) -> String {
        hasColour ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
    }
}
