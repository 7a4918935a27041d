import Client

/// Step 9: who has no certificate of this cluster gets nothing.
extension DemoStory {
    func strangers() async throws -> DemoReport.Finding {
        let endpoint = try await cluster.endpoint("mpologoma")
        let certificates = cluster.folder.certificates("stranger")
        let foreign = try await refusal("the client of another CA") {
            try AgentClient(agents: [.https(endpoint)], certificates: certificates, node: "mpologoma")
        }
        let anonymous = try await refusal("a client without a certificate") {
            try AgentClient(
                agents: [.https(endpoint)], certificates: certificates, node: "mpologoma", presenting: false)
        }
        // And the door is open for those who belong here.
        guard let file = files.first(where: { !$0.bytes.isEmpty }) else { throw DemoFailure("all files are empty") }
        try await check(file, from: "mpologoma", holders: nil)
        return DemoReport.Finding("of another CA: \(foreign); without a certificate: \(anonymous)", [:])
    }

    private func refusal(_ who: String, _ client: () throws -> AgentClient) async throws -> String {
        let client = try client()
        do {
            let status = try await client.status()
            throw DemoFailure("\(who) was answered by \(status.node)")
        } catch ClientError.refused(_, let cause, _) {
            await client.close()
            return cause
        } catch let failure as DemoFailure {
            throw failure
        } catch {
            throw DemoFailure("\(who) got \(error), not a refusal of its certificate")
        }
    }
}
