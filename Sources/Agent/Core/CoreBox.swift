import NIOConcurrencyHelpers

/// Where the routes find the agent: the ports are bound, and so refused to others, before the rest stands.
final class CoreBox: Sendable {
    private let box = NIOLockedValueBox<Parts?>(nil)

    struct Parts: Sendable {
        let core: AgentCore
        let members: MembersService
        let keys: KeyService
        let certificates: CertificateService
        /// On the node that has the CA.
        let authority: AuthorityService?
        let writes: WriteService
        let catalogue: CatalogueService
        let leave: LeaveService
        let restart: RestartService
        /// Asks the agent to end in this way, after the answer that says so is out.
        let stop: @Sendable (AgentEnding) -> Void
    }

    func fill(_ parts: Parts) { box.withLockedValue { $0 = parts } }

    /// - Throws: 503 while the agent is starting.
    var parts: Parts {
        get throws(APIError) {
            guard let parts = box.withLockedValue({ $0 }) else {
                throw .unavailable("this node is starting", code: "starting", retryAfterSeconds: 1)
            }
            return parts
        }
    }
}
