import Client
import Logging
import NIOCore
import NIOPosix
import Node
import SWIM
import Vocabulary

/// Probes over TLS, where datagrams do not pass or are not answered.
extension MembersService {
    /// The probe of a member that does not answer datagrams.
    ///
    /// - Parameter stalled: called when its host takes a connection and the answer is still not there a moment later.
    func probe(
        _ node: NodeName, at endpoint: Endpoint, _ claims: [Claim], stalled: @escaping @Sendable () -> Void
    ) async -> Membership.FallbackResult {
        guard !core.revoked.contains(node: node) else { return .silent }
        let knock = Task {
            do {
                // Most answers are there by then, and need no second connection: where packets are lost, it is not cheap.
                try await Task.sleep(for: Self.stallGrace)
                guard await Self.isPortOpen(endpoint, group) else { return }
                try await Task.sleep(for: Self.stallGrace)
            } catch { return }
            stalled()
        }
        defer { knock.cancel() }
        do {
            let answer = try await core.calls.probe(
                MemberProbe(node: core.name, claims: core.signer.signed(claims)), of: node, at: endpoint)
            return .answered(
                await core.claims.admitted(core.revoked.admitted(answer.claims), from: node, asking: nil))
        } catch ClientError.cannotConnect(_, _, _, nobodyListens: true) {
            return .refused
        } catch {
            core.log.debug("no answer over TLS either", metadata: ["member": "\(node)", "error": "\(error)"])
            return .silent
        }
    }

    /// A live agent on a path of this speed has answered by then.
    private static let stallGrace = Duration.milliseconds(150)

    private static func isPortOpen(_ endpoint: Endpoint, _ group: any EventLoopGroup) async -> Bool {
        do {
            let channel = try await ClientBootstrap(group: group).connectTimeout(.seconds(3))
                .connect(host: endpoint.host, port: Int(endpoint.port)).get()
            try? await channel.close()
            return true
        } catch {
            return false
        }
    }

    /// What this node says of itself when it has heard what is said of it.
    func answer(_ probe: MemberProbe, from node: NodeName) async -> MemberProbe {
        let claims = await core.claims.admitted(core.revoked.admitted(probe.claims), from: node, asking: nil)
        core.driver.feed(.membership(.merge(claims, from: node)))
        let answer = core.driver.read { $0.membership.answer(to: node) }
        return MemberProbe(node: core.name, claims: core.signer.signed(answer))
    }
}
