import FoundationEssentials
import Logging
import Node
import SWIM
import TLS
import Vocabulary

@testable import Agent

/// A whole agent in this process, on loopback, with its own folder of the test bed.
final class TestAgent: Sendable {
    let service: AgentService
    private let task: Task<Void, Never>

    private init(_ service: AgentService) {
        self.service = service
        task = Task { await service.run(obeysSignals: false) }
    }

    /// Starts it, or starts it again with the disk that it left.
    static func start(
        _ bed: TestBed, _ name: String, at endpoint: Endpoint? = nil, join: [Endpoint] = [],
        pace: JoinLoop.Pace = .init(), flood: FloodMeter.Bounds = .init(), log: Logger = quietLogger(),
        _ change: (inout AgentSettings) -> Void = { _ in }
    ) async throws -> TestAgent {
        let certificates = "\(bed.folder.path)/node-\(name)"
        if !FileManager.default.fileExists(atPath: certificates) { _ = try bed.identity(.node, name) }
        var settings = AgentSettings()
        settings.bind = try endpoint ?? TestBed.place()
        settings.join = join
        settings.dataFolder = "\(bed.folder.path)/\(name).data"
        settings.certificatesFolder = certificates
        settings.socketPath = "\(bed.folder.path)/\(name).sock"
        settings.swim.probeInterval = .milliseconds(200)
        settings.swim.probeTimeout = .milliseconds(100)
        change(&settings)
        return TestAgent(
            try await AgentService.start(settings, version: "test", log: log, pace: pace, flood: flood))
    }

    var core: AgentCore { service.core }
    var endpoint: Endpoint { core.endpoint }
    var name: NodeName { core.name }
    var phase: NodeMachine.Phase { core.driver.read { $0.phase } }

    func status(of other: TestAgent) -> Status? { core.driver.read { $0.membership.member(other.name)?.status } }
    func sees(_ others: TestAgent...) -> Bool { others.allSatisfy { status(of: $0) == .alive } }

    /// Ends without a farewell, as a power cut would for the others; the disk is closed in order.
    func stop() async {
        _ = service.stopped.signal()
        await task.value
    }
}
