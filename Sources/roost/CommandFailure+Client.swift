import ArgumentParser
import Client

/// From what went wrong between us and an agent to how `roost` ends.
extension CommandFailure {
    init(client error: ClientError) {
        let status: ExitStatus =
            switch error {
            case .badAddress: .usage
            case .cannotConnect, .timedOut, .closed, .closedMidBody: .unreachable
            case .refused: .notPermitted
            case .credentials: .badConfiguration
            case .changed: .conflict
            case .status(_, let problem, _, _) where problem.code == "no_such_node": .notFound
            case .status(_, let problem, _, _) where problem.code == "would_not_start": .badConfiguration
            case .status(let code, _, _, _):
                switch code {
                case 400: .usage
                case 401, 403: .notPermitted
                case 404: .notFound
                case 409, 412: .conflict
                case 502, 503, 504: .tryAgain
                default: .failed
                }
            case .badRequest, .notIdle, .badAnswer, .json, .checksum, .file, .outputClosed: .failed
            }
        self.init(error.description, status: status)
    }

    /// What ends the program after this error: nothing is said to a reader of our output who has gone.
    static func ending(_ error: ClientError) -> any Error {
        switch error {
        case .outputClosed: ExitCode(Terminal.brokenPipeStatus)
        default: CommandFailure(client: error)
        }
    }
}
