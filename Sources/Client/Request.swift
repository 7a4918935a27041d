import NIOCore

/// Names and values of a message's header, in order; names compare without case (RFC 9110 §5.1).
public struct HeaderFields: Hashable, Sendable, ExpressibleByDictionaryLiteral {
    public struct Field: Hashable, Sendable {
        public var name: String
        public var value: String
    }

    public private(set) var fields: [Field] = []

    public init() {}

    public init(dictionaryLiteral elements: (String, String)...) {
        fields = elements.map { Field(name: $0.0, value: $0.1) }
    }

    public mutating func add(_ name: String, _ value: String) { fields.append(Field(name: name, value: value)) }

    /// The first value of that name; setting replaces all of them.
    public subscript(_ name: String) -> String? {
        get { fields.first { Self.same($0.name, name) }?.value }
        set {
            fields.removeAll { Self.same($0.name, name) }
            if let newValue { add(name, newValue) }
        }
    }

    private static func same(_ a: String, _ b: String) -> Bool {
        a.utf8.count == b.utf8.count && a.lowercased() == b.lowercased()
    }
}

/// One request, ready to go out.
public struct ClientRequest: Sendable {
    public enum Body: Sendable {
        case none
        case bytes(ByteBuffer)
        /// Bytes as they come, with backpressure: the next buffer is asked for when the socket took the last ones.
        /// Buffers of 64 KiB to 1 MiB serve best. Without a length the body goes out in chunks (RFC 9112 §7.1).
        case stream(length: UInt64?, any AsyncSequence<ByteBuffer, any Error> & Sendable)
    }

    public var method: String
    /// Path and query, percent-encoded (`ResourcePath`).
    public var path: String
    public var headers: HeaderFields
    public var body: Body

    public init(_ method: String, _ path: String, headers: HeaderFields = [:], body: Body = .none) {
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
    }
}

/// How long a request may wait for the other side.
public struct ClientTimeouts: Sendable, Hashable {
    /// Longest silence of the other side while it is its turn; `nil` for a stream of events.
    public var idle: Duration?
    /// Added to `idle` for each MiB of the request's body, up to two hours, once the answer is all that is waited for.
    /// The answer to a put comes when its copies are durable, and they travel after the last byte has been sent.
    public var idlePerMebibyte: Duration
    /// Longest time from the first byte out to the last byte in; `nil` for bodies of any size.
    public var total: Duration?
    /// How long to wait for `100 Continue` before the body is sent all the same (RFC 9110 §10.1.1).
    public var expectContinue: Duration

    public init(
        idle: Duration? = .seconds(120), idlePerMebibyte: Duration = .zero, total: Duration? = nil,
        expectContinue: Duration = .seconds(1)
    ) {
        self.idle = idle
        self.idlePerMebibyte = idlePerMebibyte
        self.total = total
        self.expectContinue = expectContinue
    }

    public static let standard = ClientTimeouts()

    /// For writes: two seconds more for each MiB. An agent gives a transfer a second a MiB (8 Mbit/s), and there may be
    /// two in turn: to the first owner, when another node was asked, and from there to the others.
    var writing: ClientTimeouts {
        var timeouts = self
        timeouts.idlePerMebibyte = max(idlePerMebibyte, .seconds(2))
        return timeouts
    }

    private static let idleForBodyMax = Duration.seconds(7_200)

    /// How long the answer may take to begin after a body of so many bytes.
    func silence(afterSending bytes: UInt64) -> Duration? {
        idle.map { idle in
            guard idlePerMebibyte > .zero else { return idle }
            let mebibytes = bytes / 1_048_576
            let isBounded = Double(mebibytes) >= Self.idleForBodyMax / idlePerMebibyte
            return idle + (isBounded ? Self.idleForBodyMax : idlePerMebibyte * mebibytes)
        }
    }
}

/// The head of an answer, and its body as it comes.
public struct ClientResponse: Sendable {
    /// Which of the known agents gave it.
    public let address: AgentAddress
    public let status: Int
    public let headers: HeaderFields
    public let body: ResponseBody

    /// What the answer says about its body's length.
    public var contentLength: UInt64? { headers["content-length"].flatMap { UInt64($0) } }
}
