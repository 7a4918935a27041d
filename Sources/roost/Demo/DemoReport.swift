import Client

/// The story's lines as they come: for people, or one JSON value a line.
actor DemoReport {
    /// What a step has to say for itself.
    struct Finding: Sendable {
        let text: String
        /// Names with their unit at the end: `_ms`, `bytes`.
        let measured: [String: UInt64]

        init(_ text: String, _ measured: [String: UInt64]) {
            self.text = text
            self.measured = measured
        }
    }

    /// The step that did not hold.
    struct Broken: Error, CustomStringConvertible {
        let number: Int
        let title: String
        let cause: any Error
        var description: String { "step \(number) (\(title)) failed: \(cause)" }
    }

    private struct Line: Encodable {
        let step: Int
        let title: String
        let ok: Bool
        let text: String
        let durationMilliseconds: UInt64
        let measured: [String: UInt64]

        enum CodingKeys: String, CodingKey {
            case step, title, ok, text
            case durationMilliseconds = "duration_ms"
            case measured
        }
    }

    private struct End: Encodable {
        let ok: Bool
        let durationMilliseconds: UInt64

        enum CodingKeys: String, CodingKey {
            case ok
            case durationMilliseconds = "duration_ms"
        }
    }

    private let asJSON: Bool
    private let began = ContinuousClock.now

    init(json: Bool) { asJSON = json }

    func step(_ number: Int, _ title: String, _ body: @Sendable () async throws -> Finding) async throws {
        try await step(number, title) { (try await body(), ()) }
    }

    func step<Value: Sendable>(
        _ number: Int, _ title: String, _ body: @Sendable () async throws -> (Finding, Value)
    ) async throws -> Value {
        let began = ContinuousClock.now
        do {
            let (finding, value) = try await body()
            try show(number, title, true, finding, Self.milliseconds(since: began))
            return value
        } catch let error as CancellationError {
            throw error
        } catch {
            if Task.isCancelled { throw CancellationError() }
            try show(number, title, false, Finding("\(error)", [:]), Self.milliseconds(since: began))
            throw Broken(number: number, title: title, cause: error)
        }
    }

    func end() throws {
        let took = Self.milliseconds(since: began)
        if asJSON { return try Terminal.print(json: End(ok: true, durationMilliseconds: took)) }
        Terminal.print("\nEvery step held. The whole story took \(Self.seconds(took)).")
    }

    private func show(_ number: Int, _ title: String, _ ok: Bool, _ finding: Finding, _ took: UInt64) throws {
        if asJSON {
            let line = Line(
                step: number, title: title, ok: ok, text: finding.text, durationMilliseconds: took,
                measured: finding.measured)
            return try Terminal.print(json: line)
        }
        let mark = ok ? Terminal.paint("✓", .green) : Terminal.paint("✗", .red)
        let words = finding.text.printable(keepingLines: true)
        Terminal.print(painted: "\(mark) \(number) \(title): \(words) (\(Self.seconds(took)))")
    }

    // MARK: Times

    static func milliseconds(since start: ContinuousClock.Instant) -> UInt64 {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        return UInt64(max(0, seconds)) * 1000 + UInt64(max(0, attoseconds) / 1_000_000_000_000_000)
    }

    static func seconds(_ milliseconds: UInt64) -> String { HumanUnits.duration(milliseconds: milliseconds) }
    static func seconds(since start: ContinuousClock.Instant) -> String { seconds(milliseconds(since: start)) }
}
