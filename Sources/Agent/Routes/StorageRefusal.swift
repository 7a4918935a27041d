import Client
import HTTPTypes
import Resources
import Storage

/// What went wrong inside a write, as the status that CONTRACT gives it.
enum StorageRefusal {
    static func translated<Answer>(_ body: () async throws -> Answer) async throws -> Answer {
        do {
            return try await body()
        } catch let error as StorageError {
            throw apiError(error)
        } catch let error as WriteFailure {
            throw apiError(error)
        } catch let error as PullError {
            throw APIError.unavailable("\(error)", code: "no_bytes", retryAfterSeconds: 1)
        } catch let error as PeersError {
            throw APIError.unavailable("\(error)", code: "no_bytes", retryAfterSeconds: 1)
        } catch let error as ClientError {
            throw APIError.unavailable("\(error)", code: "no_bytes", retryAfterSeconds: 1)
        }
    }

    private static func apiError(_ error: StorageError) -> any Error {
        switch error {
        case .full:
            return APIError(
                HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage"), code: "no_space", "\(error)",
                hint: "free some space on the node, or ask another one")
        case .refused(.preconditionFailed(let head)):
            return APIError(
                .preconditionFailed, code: "precondition_failed",
                head.map { "the name's version is \($0)" } ?? "the name does not exist",
                hint: "read it again and decide anew")
        case .refused(.outranked(let rival)):
            return APIError(
                .preconditionFailed, code: "outranked",
                "another node took a write of the name at the same time, which goes first: \(rival)",
                hint: "yours is in the name's history; read it again and decide anew")
        case .refused(.notFound):
            return APIError.notFound("there is no such resource to delete", hint: "ls or find shows what there is")
        case .digestMismatch(let expected, let actual):
            return APIError(
                .unprocessableContent, code: "checksum_differs",
                "the bytes have the SHA-256 \(actual), not \(expected): nothing was kept", hint: "send them again")
        case .sizeMismatch:
            return APIError(.unprocessableContent, code: "size_differs", "\(error)", hint: "send them again")
        case .refused(.overdue), .refused(.overtaken):
            return APIError.unavailable("\(error)", code: "no_owner", retryAfterSeconds: 1)
        case .refused(.builtUpon): return outcomeUnknown("\(error)")
        case .tooManyStreams, .shareTaken, .closed, .alreadyReceiving, .cancelled:
            return APIError.unavailable("\(error)", code: "busy", retryAfterSeconds: 1)
        case .inUse, .notOurs, .belongsTo, .newerSchema, .damaged, .io, .database, .missingBlob, .rotten,
            .valueTooLarge, .streamClosed:
            return error
        }
    }

    private static func apiError(_ failure: WriteFailure) -> APIError {
        switch failure {
        case .nobody, .unreachable, .givenUp, .notMade:
            APIError.unavailable("\(failure)", code: "no_owner", retryAfterSeconds: 1)
        case .undecided:
            APIError.unavailable("\(failure)", code: API.ErrorBody.undecidedCode, retryAfterSeconds: 1)
        case .notTaken: APIError.unavailable("\(failure)", code: "draining", retryAfterSeconds: 1)
        case .stopping:
            APIError.unavailable("\(failure)", code: API.ErrorBody.stoppingCode, retryAfterSeconds: 1)
        case .outcomeUnknown, .unheard, .unjudged: outcomeUnknown("\(failure)")
        case .refused(let status, let body):
            APIError(
                HTTPResponse.Status(code: status), code: body.error.code, body.error.message, hint: body.error.hint)
        }
    }

    private static func outcomeUnknown(_ text: String) -> APIError {
        APIError(
            .serviceUnavailable, code: API.ErrorBody.unknownOutcomeCode, text,
            hint: "look at its history before you write it again")
    }
}
