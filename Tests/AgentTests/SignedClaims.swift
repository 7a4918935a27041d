import Gossip
import SWIM
import TLS
import Vocabulary

@testable import Agent

extension Credentials {
    /// A claim signed with this certificate, whoever it is about.
    func signed(_ claim: Claim, in cluster: String = "savanna") throws -> Claim {
        let text = ClaimStatement.text(of: claim, in: try ClusterName(cluster))
        guard let id = certificateID,
            let signature = ClaimStatement.signature(certificate: id, raw: try sign(text))
        else { throw CancelledByTest() }
        return claim.signed(signature)
    }
}

extension Claim {
    /// The same signature under another text.
    func bent(
        name: NodeName? = nil, endpoint: Endpoint? = nil, epoch: UInt64? = nil, incarnation: UInt32? = nil,
        status: Status? = nil, metadata: Metadata? = nil, accuser: NodeName? = nil
    ) -> Claim {
        Claim(
            name: name ?? self.name, endpoint: endpoint ?? self.endpoint, epoch: epoch ?? self.epoch,
            incarnation: incarnation.map { Incarnation($0) } ?? self.incarnation, status: status ?? self.status,
            intent: intent, metadata: metadata ?? self.metadata, accusers: accuser.map { [$0] } ?? accusers,
            signature: signature)
    }
}
