import Gossip
import Logging
import NIOConcurrencyHelpers
import SWIM
import TLS
import Vocabulary

/// Signs what this node says of itself, on its way out: once a statement, then from memory.
final class ClaimSigner: Sendable {
    private struct Signed {
        let statement: Claim
        let certificate: UInt32
        let signature: ClaimSignature
    }

    private let me: NodeName
    private let cluster: ClusterName
    private let credentials: CurrentCredentials
    private let log: Logger
    /// The latest statement; an older one is told in the moment of a change only.
    private let latest = NIOLockedValueBox<Signed?>(nil)

    init(me: NodeName, cluster: ClusterName, credentials: CurrentCredentials, log: Logger) {
        self.me = me
        self.cluster = cluster
        self.credentials = credentials
        self.log = log
    }

    func signed(_ packet: Packet) -> Packet {
        guard packet.claims.contains(where: { $0.name == me || $0.isVerdictOfFarewell }) else { return packet }
        return packet.telling(signed(packet.claims))
    }

    /// Without those that this node took the membership from itself, for a revocation: nobody would believe them, and
    /// the revocation travels on its own.
    func signed(_ claims: [Claim]) -> [Claim] { claims.filter { !$0.isVerdictOfFarewell }.map(signed) }

    /// Others' claims carry their own signatures.
    private func signed(_ claim: Claim) -> Claim {
        guard claim.name == me else { return claim }
        let credentials = credentials.context.credentials
        guard let certificate = credentials.certificateID else { return claim }
        let known = latest.withLockedValue { $0 }
        if let known, known.certificate == certificate, known.statement == claim.statement {
            return claim.signed(known.signature)
        }
        do {
            let raw = try credentials.sign(ClaimStatement.text(of: claim, in: cluster))
            guard let signature = ClaimStatement.signature(certificate: certificate, raw: raw) else { return claim }
            latest.withLockedValue {
                $0 = Signed(statement: claim.statement, certificate: certificate, signature: signature)
            }
            return claim.signed(signature)
        } catch {
            // Unsigned, nobody believes it; the exchange and the datagram go out for what else is in them.
            log.error("could not sign what this node says of itself", metadata: ["error": "\(error)"])
            return claim
        }
    }
}

extension Claim {
    /// "It has left" as another's word.
    var isVerdictOfFarewell: Bool { status == .left && accuser != nil }
}
