import COpenSSL

/// HKDF-SHA256 (RFC 5869): extract and expand in one step. Keys of gossip sessions come from here.
public enum HKDF {
    /// RFC 5869 §2.3: at most 255 blocks of the hash.
    public static let outputBytesMax = 255 * 32

    public static func deriveKey(
        input: [UInt8], salt: [UInt8], info: [UInt8], count: Int
    ) throws(TLSError) -> [UInt8] {
        guard (1...outputBytesMax).contains(count) else {
            throw .wrongLength(of: "an HKDF output", count: count, expected: "1 to \(outputBytesMax)")
        }
        guard !input.isEmpty else { throw .wrongLength(of: "an HKDF input", count: 0, expected: "1 or more") }
        let limit = Int(Int32.max)
        guard input.count <= limit, salt.count <= limit, info.count <= limit,
            let context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nil)
        else { throw .openssl(during: "deriving a key", OpenSSLFault.drain()) }
        defer { EVP_PKEY_CTX_free(context) }
        var output = [UInt8](repeating: 0, count: count)
        var written = count
        guard EVP_PKEY_derive_init(context) == 1,
            EVP_PKEY_CTX_set_hkdf_md(context, DigestAlgorithm.sha256) == 1,
            EVP_PKEY_CTX_set1_hkdf_salt(context, salt, Int32(salt.count)) == 1,
            EVP_PKEY_CTX_set1_hkdf_key(context, input, Int32(input.count)) == 1,
            EVP_PKEY_CTX_add1_hkdf_info(context, info, Int32(info.count)) == 1,
            EVP_PKEY_derive(context, &output, &written) == 1, written == count
        else { throw .openssl(during: "deriving a key", OpenSSLFault.drain()) }
        return output
    }
}
