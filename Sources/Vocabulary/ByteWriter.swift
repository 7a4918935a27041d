/// Appends fixed-width big-endian integers and length-prefixed bytes: the one binary form of datagrams and digests.
///
/// What is generic here is inlinable: every datagram passes through it, and called across modules without its types it
/// took a fifth of the time that reading one takes.
public struct ByteWriter: Sendable {
    @usableFromInline var buffer: [UInt8] = []

    public var bytes: [UInt8] { buffer }

    public init(capacity: Int = 0) { buffer.reserveCapacity(capacity) }

    @inlinable
    public mutating func write<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.bigEndian) { buffer.append(contentsOf: $0) }
    }

    @inlinable
    public mutating func write(raw: some Sequence<UInt8>) { buffer.append(contentsOf: raw) }

    /// One length byte, then the UTF-8 bytes. Texts past 255 bytes are cut by the caller's own bound; here they are
    /// a programming error that shows as an unreadable message, never as a trap.
    public mutating func write(shortText text: String) {
        let utf8 = Array(text.utf8.prefix(255))
        buffer.append(UInt8(truncatingIfNeeded: utf8.count))
        buffer.append(contentsOf: utf8)
    }

    /// One byte, 1 for true.
    @inlinable
    public mutating func write(flag: Bool) { write(UInt8(flag ? 1 : 0)) }

    /// Four bytes with the number of elements, then each of them.
    @inlinable
    public mutating func write<Element>(
        list: some Collection<Element>, _ write: (Element, inout ByteWriter) -> Void
    ) {
        let part = list.prefix(Int(UInt32.max))
        self.write(UInt32(truncatingIfNeeded: part.count))
        for element in part { write(element, &self) }
    }

    /// Two length bytes, then the bytes (at most 65,535 of them).
    public mutating func write(block: some Collection<UInt8>) {
        let part = block.prefix(Int(UInt16.max))
        write(UInt16(truncatingIfNeeded: part.count))
        buffer.append(contentsOf: part)
    }
}

/// Reads what `ByteWriter` wrote from bytes that anyone may have sent: every read is checked, none traps.
public struct ByteReader: Sendable {
    @usableFromInline let bytes: ArraySlice<UInt8>
    @usableFromInline var index: Int

    public init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        index = bytes.startIndex
    }

    public init(_ bytes: [UInt8]) { self.init(bytes[...]) }

    @inlinable
    public var remaining: Int { bytes.endIndex - index }

    /// - Throws: `ByteError.truncated` when fewer bytes are left than the integer has.
    @inlinable
    public mutating func read<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(ByteError) -> T {
        let width = MemoryLayout<T>.size
        guard remaining >= width else { throw .truncated }
        var value: T = 0
        for byte in bytes[index..<index + width] {
            // A one-byte integer can not be shifted by eight; it is replaced whole.
            value = width == 1 ? T(truncatingIfNeeded: byte) : (value << 8) | T(truncatingIfNeeded: byte)
        }
        index += width
        return value
    }

    /// - Throws: `ByteError.truncated` when fewer than `count` bytes are left.
    public mutating func read(count: Int) throws(ByteError) -> ArraySlice<UInt8> {
        guard count >= 0, remaining >= count else { throw .truncated }
        defer { index += count }
        return bytes[index..<index + count]
    }

    /// - Throws: `ByteError.truncated`, or `.notText` when the bytes are not UTF-8.
    public mutating func readShortText() throws(ByteError) -> String {
        let raw = try read(count: Int(read(UInt8.self)))
        guard let text = String(validating: raw, as: UTF8.self) else { throw .notText }
        return text
    }

    /// - Throws: `ByteError.truncated`, or `.illegal` when the byte is neither 0 nor 1.
    @inlinable
    public mutating func readFlag() throws(ByteError) -> Bool {
        switch try read(UInt8.self) {
        case 0: return false
        case 1: return true
        default: throw .illegal
        }
    }

    /// Reserves nothing on the word of the number before it: what can not be there is found missing.
    ///
    /// - Throws: `ByteError.truncated`, and what `read` throws.
    @inlinable
    public mutating func readList<Element>(_ read: (inout ByteReader) throws -> Element) throws -> [Element] {
        var elements: [Element] = []
        for _ in 0..<(try self.read(UInt32.self)) { elements.append(try read(&self)) }
        return elements
    }

    /// A name whose empty text stands for none.
    ///
    /// - Throws: `ByteError.truncated` or `.notText`, or `NameError`.
    public mutating func readNodeNameOrNone() throws -> NodeName? {
        let text = try readShortText()
        return text.isEmpty ? nil : try NodeName(text)
    }

    /// A block that is UTF-8.
    ///
    /// - Throws: `ByteError.truncated` or `.notText`.
    public mutating func readText() throws(ByteError) -> String {
        guard let text = String(validating: try readBlock(), as: UTF8.self) else { throw .notText }
        return text
    }

    /// - Throws: `ByteError.truncated`.
    public mutating func readBlock() throws(ByteError) -> ArraySlice<UInt8> {
        try read(count: Int(read(UInt16.self)))
    }
}

/// Why bytes could not be read.
public enum ByteError: Error, Hashable, Sendable {
    case truncated
    case notText
    /// They are of no value that there is: a number past its range, or more of them than there may be.
    case illegal
}
