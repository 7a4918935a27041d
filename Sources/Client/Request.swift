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
    /// A put's answer may take as long as its copies take, hence minutes rather than seconds.
    public var idle: Duration?
    /// Longest time from the first byte out to the last byte in; `nil` for bodies of any size.
    public var total: Duration?
    /// How long to wait for `100 Continue` before the body is sent all the same (RFC 9110 §10.1.1).
    public var expectContinue: Duration

    public init(
        idle: Duration? = .seconds(120), total: Duration? = nil, expectContinue: Duration = .seconds(1)
    ) {
        self.idle = idle
        self.total = total
        self.expectContinue = expectContinue
    }

    public static let standard = ClientTimeouts()
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
