import Vocabulary

/// How far the pass over all blobs has come, as the catalogue keeps it: a restart goes on where the last save left it.
public struct ScrubRecord: Hashable, Sendable {
    public struct Pass: Hashable, Sendable {
        /// Milliseconds since 1970.
        public var startedAt: UInt64
        public var checkedBlobs: UInt64 = 0
        public var checkedBytes: UInt64 = 0
        /// Blobs that were missing or not what they are named for.
        public var faults: UInt64 = 0

        public init(startedAt: UInt64) { self.startedAt = startedAt }
    }

    /// The one under way, and the greatest digest that it has checked: it goes through them in order.
    public var pass: Pass?
    public var cursor: ContentDigest?
    /// The last one that came to its end, and when.
    public var last: Pass?
    public var lastEndedAt: UInt64 = 0

    public init() {}

    private static let format: UInt8 = 1

    var stored: [UInt8] {
        var writer = ByteWriter(capacity: 128)
        writer.write(Self.format)
        for pass in [pass, last] {
            writer.write(UInt8(pass == nil ? 0 : 1))
            guard let pass else { continue }
            writer.write(pass.startedAt)
            writer.write(pass.checkedBlobs)
            writer.write(pass.checkedBytes)
            writer.write(pass.faults)
        }
        writer.write(lastEndedAt)
        writer.write(UInt8(cursor == nil ? 0 : 1))
        if let cursor { writer.write(raw: cursor.bytes) }
        return writer.bytes
    }

    /// One that can not be read, or is of another version, is as good as none: all is checked anew.
    init?(stored: [UInt8]) {
        var reader = ByteReader(stored)
        do {
            guard try reader.read(UInt8.self) == Self.format else { return nil }
            pass = try Self.pass(&reader)
            last = try Self.pass(&reader)
            lastEndedAt = try reader.read()
            if try reader.read(UInt8.self) == 1 {
                guard let digest = ContentDigest(bytes: try reader.read(count: 32)) else { return nil }
                cursor = digest
            }
        } catch { return nil }
    }

    private static func pass(_ reader: inout ByteReader) throws(ByteError) -> Pass? {
        guard try reader.read(UInt8.self) == 1 else { return nil }
        var pass = Pass(startedAt: try reader.read())
        pass.checkedBlobs = try reader.read()
        pass.checkedBytes = try reader.read()
        pass.faults = try reader.read()
        return pass
    }
}
