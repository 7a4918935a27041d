/// How long a write that all agents put off (503, of which nothing was written) is asked for again.
public struct WritePatience: Sendable {
    public static let none = WritePatience(.zero)

    let limit: Duration
    let waits: @Sendable (ClientError) -> Void

    /// - Parameter waits: told once, before the first pause, what an agent said.
    public init(_ limit: Duration, waits: @escaping @Sendable (ClientError) -> Void = { _ in }) {
        self.limit = limit
        self.waits = waits
    }
}
