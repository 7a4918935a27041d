// Signatures in the shortest fixed form: datagrams have no room for DER's wrapping, and one form of a signature is enough.
import COpenSSL

/// Which kinds of keys sign what travels in datagrams. An RSA signature alone would fill a fifth of one.
enum RawSignature {
    case ecdsa(halfBytes: Int)
    case ed25519

    /// `nil` for any other kind of key.
    init?(of key: OpaquePointer) {
        switch EVP_PKEY_get_base_id(key) {
        case EVP_PKEY_EC:
            // P-256 and P-384; a longer one does not fit a claim.
            let bits = Int(EVP_PKEY_get_bits(key))
            guard (256...384).contains(bits) else { return nil }
            self = .ecdsa(halfBytes: (bits + 7) / 8)
        case EVP_PKEY_ED25519: self = .ed25519
        default: return nil
        }
    }

    /// Ed25519 hashes by itself.
    private var digest: OpaquePointer? {
        switch self {
        case .ecdsa: DigestAlgorithm.sha256
        case .ed25519: nil
        }
    }

    private var byteCount: Int {
        switch self {
        case .ecdsa(let half): 2 * half
        case .ed25519: 64
        }
    }

    func sign(_ text: [UInt8], with key: OpaquePointer) throws(TLSError) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { throw .openssl(during: "signing", OpenSSLFault.drain()) }
        defer { EVP_MD_CTX_free(context) }
        var count = 0
        guard EVP_DigestSignInit(context, nil, digest, nil, key) == 1,
            EVP_DigestSign(context, nil, &count, text, text.count) == 1
        else { throw .openssl(during: "signing", OpenSSLFault.drain()) }
        var signature = [UInt8](repeating: 0, count: count)
        guard EVP_DigestSign(context, &signature, &count, text, text.count) == 1, count <= signature.count else {
            throw .openssl(during: "signing", OpenSSLFault.drain())
        }
        signature.removeLast(signature.count - count)
        switch self {
        case .ed25519: return signature
        case .ecdsa(let half):
            guard let raw = Self.raw(signature, halfBytes: half) else {
                throw .openssl(during: "signing", OpenSSLFault.drain())
            }
            return raw
        }
    }

    /// False for anything but this key's signature of this text, whatever the bytes are.
    func verifies(_ raw: [UInt8], of text: [UInt8], with key: OpaquePointer) -> Bool {
        // What fails leaves its reasons in the queue of this thread.
        defer { ERR_clear_error() }
        guard raw.count == byteCount, let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        let signature: [UInt8]
        switch self {
        case .ed25519: signature = raw
        case .ecdsa(let half):
            guard let der = Self.der(raw, halfBytes: half) else { return false }
            signature = der
        }
        return EVP_DigestVerifyInit(context, nil, digest, nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, text, text.count) == 1
    }

    /// r and s, each with leading zeros to the length of the curve's order.
    private static func raw(_ der: [UInt8], halfBytes: Int) -> [UInt8]? {
        var position: UnsafePointer<UInt8>?
        let parsed = der.withUnsafeBufferPointer { buffer in
            position = buffer.baseAddress
            return d2i_ECDSA_SIG(nil, &position, buffer.count)
        }
        guard let parsed else { return nil }
        defer { ECDSA_SIG_free(parsed) }
        var raw = [UInt8](repeating: 0, count: 2 * halfBytes)
        let size = Int32(halfBytes)
        let done = raw.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return false }
            return BN_bn2binpad(ECDSA_SIG_get0_r(parsed), base, size) == size
                && BN_bn2binpad(ECDSA_SIG_get0_s(parsed), base + halfBytes, size) == size
        }
        return done ? raw : nil
    }

    private static func der(_ raw: [UInt8], halfBytes: Int) -> [UInt8]? {
        guard let signature = ECDSA_SIG_new() else { return nil }
        defer { ECDSA_SIG_free(signature) }
        let r = raw.withUnsafeBufferPointer { BN_bin2bn($0.baseAddress, Int32(halfBytes), nil) }
        let s = raw.withUnsafeBufferPointer { BN_bin2bn($0.baseAddress.map { $0 + halfBytes }, Int32(halfBytes), nil) }
        // Takes both over, unless it fails.
        guard let r, let s, ECDSA_SIG_set0(signature, r, s) == 1 else {
            BN_free(r)
            BN_free(s)
            return nil
        }
        let count = i2d_ECDSA_SIG(signature, nil)
        guard count > 0 else { return nil }
        var der = [UInt8](repeating: 0, count: Int(count))
        let written = der.withUnsafeMutableBufferPointer { buffer in
            var position = buffer.baseAddress
            return i2d_ECDSA_SIG(signature, &position)
        }
        return written == count ? der : nil
    }
}
