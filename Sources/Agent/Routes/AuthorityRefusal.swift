import Authority
import Client
import HTTPTypes
import Vocabulary

extension APIError {
    /// This node does not issue; another one may.
    ///
    /// - Parameter hint: whom to ask, or what to do by hand.
    static func noAuthority(on node: NodeName, hint: String) -> APIError {
        APIError(
            .conflict, code: API.Renewed.noAuthorityCode,
            "\(node) has no CA: its configuration names none under ca", hint: hint)
    }

    /// What the CA's folder did not give.
    ///
    /// - Parameter byHand: what to do where the CA can not be used.
    init(_ error: AuthorityError, byHand: String? = nil) {
        self =
            switch error {
            case .addressesNeedNode, .tooManyAddresses, .badAddress, .badValidity: .badRequest(error.description)
            case .tooManyInvitations: APIError(.conflict, code: "too_many_invitations", error.description)
            case .noAuthority, .notAnAuthority, .exposedKey, .expired, .cannotRead:
                APIError(.conflict, code: API.Renewed.noAuthorityCode, error.description, hint: byHand)
            case .exists, .incomplete, .cannotWrite, .busy, .refused, .crypto:
                .unavailable(error.description, code: "unable", retryAfterSeconds: 5)
            }
    }
}
