import NIOCore

/// Server-sent events (WHATWG HTML §9.2) as values. What is no event of the API is passed over.
public struct EventStream: AsyncSequence, Sendable {
    public typealias Element = API.Event

    let body: ResponseBody

    public struct AsyncIterator: AsyncIteratorProtocol {
        var bytes: ResponseBody.AsyncIterator
        var parser = EventParser()
        var ready: [API.Event] = []

        public mutating func next() async throws -> API.Event? {
            while ready.isEmpty {
                guard let part = try await bytes.next() else { return nil }
                ready = try parser.feed(part.readableBytesView).reversed()
            }
            return ready.popLast()
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(bytes: body.makeAsyncIterator()) }
}

/// Takes bytes as they come, gives the events that are complete.
struct EventParser {
    /// An event of ours has some 300 bytes.
    static let eventBytesMax = 64 * 1024

    private var line: [UInt8] = []
    private var data: [UInt8] = []
    private var lastWasCarriageReturn = false

    /// - Throws: `ClientError.json` for an event past the bound or that is no event of the API.
    mutating func feed(_ bytes: some Sequence<UInt8>) throws(ClientError) -> [API.Event] {
        var events: [API.Event] = []
        for byte in bytes {
            // A line ends with CR, LF or both.
            if byte == UInt8(ascii: "\n") && lastWasCarriageReturn {
                lastWasCarriageReturn = false
                continue
            }
            lastWasCarriageReturn = byte == UInt8(ascii: "\r")
            if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
                if let event = try endLine() { events.append(event) }
            } else {
                guard line.count + data.count < Self.eventBytesMax else {
                    throw .json(what: "an event", reason: "it has more than \(Self.eventBytesMax) bytes")
                }
                line.append(byte)
            }
        }
        return events
    }

    private mutating func endLine() throws(ClientError) -> API.Event? {
        defer { line.removeAll(keepingCapacity: true) }
        if line.isEmpty {
            defer { data.removeAll(keepingCapacity: true) }
            return data.isEmpty ? nil : try API.JSON.decode(API.Event.self, from: data)
        }
        // The data has the id and the type too: the other fields are for browsers.
        let field = Array("data:".utf8)
        guard line.starts(with: field) else { return nil }
        var value = line.dropFirst(field.count)
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        if !data.isEmpty { data.append(UInt8(ascii: "\n")) }
        data.append(contentsOf: value)
        return nil
    }
}
