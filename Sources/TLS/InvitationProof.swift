// How a host proves that it holds an invitation, to one who keeps only what the proof is checked with.
import COpenSSL

/// A key of Ed25519 (RFC 8032) that follows from an invitation's secret. The issuer keeps the public half: whoever reads
/// what it keeps can not enrol with it.
public enum InvitationProof {
    public static let secretBytes = 16
    public static let verifierBytes = 32
    public static let signatureBytes = 64

    /// The public half, to be kept.
    public static func verifier(secret: [UInt8], id: [UInt8]) throws(TLSError) -> [UInt8] {
        let key = try key(secret, id)
        defer { EVP_PKEY_free(key) }
        var bytes = [UInt8](repeating: 0, count: verifierBytes)
        var count = bytes.count
        guard EVP_PKEY_get_raw_public_key(key, &bytes, &count) == 1, count == verifierBytes else {
            throw .openssl(during: "deriving an invitation's key", OpenSSLFault.drain())
        }
        return bytes
    }

    public static func sign(_ text: [UInt8], secret: [UInt8], id: [UInt8]) throws(TLSError) -> [UInt8] {
        let key = try key(secret, id)
        defer { EVP_PKEY_free(key) }
        return try RawSignature.ed25519.sign(text, with: key)
    }

    /// False for anything but the holder's signature of this text, whatever the bytes are.
    public static func verifies(_ signature: [UInt8], of text: [UInt8], verifier: [UInt8]) -> Bool {
        guard verifier.count == verifierBytes,
            let key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, verifier, verifier.count)
        else {
            ERR_clear_error()
            return false
        }
        defer { EVP_PKEY_free(key) }
        return RawSignature.ed25519.verifies(signature, of: text, with: key)
    }

    /// The caller frees it.
    private static func key(_ secret: [UInt8], _ id: [UInt8]) throws(TLSError) -> OpaquePointer {
        guard secret.count == secretBytes else {
            throw .wrongLength(of: "an invitation's secret", count: secret.count, expected: "\(secretBytes)")
        }
        let seed = try HKDF.deriveKey(input: secret, salt: id, info: Array("roost-enroll-1 proof".utf8), count: 32)
        guard let key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count) else {
            throw .openssl(during: "deriving an invitation's key", OpenSSLFault.drain())
        }
        return key
    }
}
