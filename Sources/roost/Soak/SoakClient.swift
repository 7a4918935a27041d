import Client
import Vocabulary

/// One client that puts, overwrites and deletes names of its own, reads everybody's, and counts up counters that all
/// clients share, by conditional writes.
struct SoakClient: Sendable {
    let number: Int
    let clients: Int
    let book: SoakBook
    let agent: AgentClient

    static let namesEach = 8
    static let counters = ["counters/a", "counters/b"]

    static func name(_ client: Int, _ index: Int) -> String { "client-\(client)/file-\(index)" }

    func run(until end: ContinuousClock.Instant, seed: UInt64) async {
        var random = SeededGenerator(seed: seed &+ UInt64(number) &* 0x9E37_79B9_7F4A_7C15)
        while ContinuousClock.now < end, !Task.isCancelled {
            let own = Self.name(number, Int.random(in: 0..<Self.namesEach, using: &random))
            switch Int.random(in: 0..<100, using: &random) {
            case ..<45:
                let of = Int.random(in: 0..<clients, using: &random)
                await read(Self.name(of, Int.random(in: 0..<Self.namesEach, using: &random)))
            case ..<75: await put(own)
            case ..<85: await delete(own)
            default: await increment(Self.counters[Int.random(in: 0..<Self.counters.count, using: &random)])
            }
            let pause = Duration.milliseconds(Int64.random(in: 5...120, using: &random))
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }

    // MARK: One operation each

    private func put(_ name: String) async {
        let number = await book.begin(name, isDelete: false)
        let bytes = SoakContent.bytes(name, number)
        await book.end(name, number, await outcome { try await agent.put(name, bytes: bytes) })
    }

    private func delete(_ name: String) async {
        let number = await book.begin(name, isDelete: true)
        await book.end(name, number, await outcome { try await agent.delete(name) })
    }

    private func read(_ name: String) async {
        let mark = await book.mark(name)
        while true {
            do {
                let (bytes, download) = try await agent.getBytes(name)
                guard let number = SoakContent.number(of: bytes, name) else {
                    return await book.broken(
                        "\(name) was answered by \(download.node ?? "?") with bytes that nobody wrote")
                }
                return await book.saw(
                    name, number, version: download.version, since: mark, at: download.node ?? "?")
            } catch ClientError.status(404, _, _, let node) {
                return await book.saw(name, nil, since: mark, at: node ?? "?")
            } catch {
                guard !Task.isCancelled, await book.mustAsk(name, since: mark, after: error), await pause() else {
                    return
                }
            }
        }
    }

    /// - Returns: false when the client is to end.
    private func pause() async -> Bool {
        do {
            try await Task.sleep(for: .milliseconds(200))
            return true
        } catch { return false }
    }

    private func increment(_ counter: String) async {
        guard await book.beginIncrement() else { return }
        await count(up: counter)
        await book.endIncrement()
    }

    private func count(up counter: String) async {
        let mark = await book.mark(counter)
        while true {
            var options = AgentClient.WriteOptions()
            var value = 0
            do {
                let (bytes, download) = try await agent.getBytes(counter)
                guard let found = SoakContent.value(of: bytes), let version = download.version else {
                    return await book.broken("\(counter) was answered with bytes that nobody wrote")
                }
                value = found
                options.ifVersion = version
            } catch ClientError.status(404, _, _, _) {
                options.ifAbsent = true
            } catch {
                guard !Task.isCancelled, await book.mustAsk(counter, since: mark, after: error), await pause() else {
                    return
                }
                continue
            }
            await book.answered(counter, since: mark)
            let bytes = Array("\(value + 1)".utf8)
            let result = await outcome { [options] in try await agent.put(counter, bytes: bytes, options: options) }
            return await book.incremented(counter, result)
        }
    }

    private func outcome(_ write: @Sendable () async throws -> AgentClient.WriteAnswer) async -> SoakBook.Outcome {
        do {
            let answer = try await write()
            // Kept on fewer nodes than wanted is a promise of less.
            return answer.isShortOfCopies ? .unknown : .acknowledged(version: answer.result.version)
        } catch let error as ClientError where error.saysNothingWasWritten {
            return .refused
        } catch ClientError.status(404, _, _, _), ClientError.status(412, _, _, _) {
            return .refused
        } catch ClientError.cannotConnect {
            return .refused
        } catch {
            return .unknown
        }
    }
}
