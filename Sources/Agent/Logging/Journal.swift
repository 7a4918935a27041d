import CNIOLinux
import Logging

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// journald's own protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/): a line with what stands in it as fields, so that
/// `journalctl -u roost ROOST_NODE=simba` finds all that was said of one node.
struct Journal: Sendable {
    static let path = "/run/systemd/journal/socket"
    /// Of systemd's own length of a field's name, 64.
    private static let nameBytesMax = 58
    private let path: String

    /// - Parameter output: where lines go without a journal.
    /// - Returns: nil when that is not the journal's: whoever turned it elsewhere wants the lines there.
    init?(environment: [String: String], path: String = Self.path, output: CInt = STDERR_FILENO) {
        var info = stat()
        guard fstat(output, &info) == 0, environment["JOURNAL_STREAM"] == "\(info.st_dev):\(info.st_ino)" else {
            return nil
        }
        self.path = path
    }

    /// Does not wait for a journald that has too much to read, or is being started anew.
    ///
    /// - Parameters:
    ///   - text: a line as it is shown.
    ///   - priority: of syslog, 0 to 7.
    /// - Returns: whether it was sent: else it is to be said in another way.
    func send(_ text: String, priority: Int, fields: Logger.Metadata) -> Bool {
        var bytes = Self.field("MESSAGE", text) + Self.field("PRIORITY", "\(priority)")
        bytes += Self.field("SYSLOG_IDENTIFIER", "roost")
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
            bytes += Self.field("ROOST_\(Self.name(key))", "\(value)")
        }
        return UnixDatagram.send(bytes, to: path, waits: false)
    }

    /// Upper case, digits and underscores: journald leaves out a field of another name.
    private static func name(_ key: String) -> String {
        String(
            key.uppercased().prefix(nameBytesMax).map { letter in
                letter.isASCII && (letter.isLetter || letter.isNumber) ? letter : "_"
            })
    }

    /// With its length before it, whatever is in it: no value can end its field and begin another.
    private static func field(_ name: String, _ value: String) -> [UInt8] {
        let value = Array(value.utf8)
        let length = (0..<8).map { UInt8(truncatingIfNeeded: value.count >> ($0 * 8)) }
        return Array(name.utf8) + [UInt8(ascii: "\n")] + length + value + [UInt8(ascii: "\n")]
    }
}
