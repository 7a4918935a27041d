import Client
import Vocabulary

@testable import roost

/// Puts and gets, one after the other, until told to stop; what fails is kept.
actor Load {
    private(set) var done = 0
    private(set) var failures: [String] = []
    private var isOver = false

    func stop() { isOver = true }
    private func succeeded() { done += 1 }
    private func failed(_ text: String) { failures.append(text) }

    nonisolated func run(_ client: AgentClient, prefix: String) async {
        await run(prefix) { name, bytes in
            _ = try await client.put(name, bytes: bytes)
            return try await client.getBytes(name).0
        }
    }

    /// With a new connection, and the certificates of then, for each round.
    nonisolated func run(prefix: String, _ connect: @Sendable () async throws -> AgentClient) async {
        await run(prefix) { name, bytes in
            let client = try await connect()
            do {
                _ = try await client.put(name, bytes: bytes)
                let got = try await client.getBytes(name).0
                await client.close()
                return got
            } catch {
                await client.close()
                throw error
            }
        }
    }

    private nonisolated func run(
        _ prefix: String, _ round: (String, [UInt8]) async throws -> [UInt8]
    ) async {
        for number in 0... {
            if await isOver { return }
            let name = "\(prefix)/\(number % 16)"
            let bytes = Sample.bytes(20_000 + number, seed: number)
            do {
                if try await round(name, bytes) == bytes {
                    await succeeded()
                } else {
                    await failed("\(name): other bytes")
                }
            } catch {
                await failed("\(name): \(error)")
            }
        }
    }
}
