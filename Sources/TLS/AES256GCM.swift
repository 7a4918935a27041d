// AES-256-GCM (NIST SP 800-38D) for datagrams: one key, many short messages. The key schedule and both contexts are
// made once a key; a message only sets its nonce.
import COpenSSL
import NIOConcurrencyHelpers

public struct AES256GCM: Sendable {
    public static let keyBytes = 32
    public static let nonceBytes = 12
    public static let tagBytes = 16
    /// Far above any datagram, far below where OpenSSL's `int` lengths end.
    public static let messageBytesMax = 1 << 30

    private let contexts: Contexts

    /// - Throws: `TLSError.wrongLength` unless the key has 32 bytes.
    public init(key: [UInt8]) throws(TLSError) {
        guard key.count == Self.keyBytes else {
            throw .wrongLength(of: "an AES-256 key", count: key.count, expected: "32")
        }
        guard let contexts = Contexts(key: key) else {
            throw .openssl(during: "preparing AES-256-GCM", OpenSSLFault.drain())
        }
        self.contexts = contexts
    }

    /// Ciphertext, then the 16-byte tag. A nonce must never seal two messages under one key.
    public func seal(_ plaintext: [UInt8], nonce: [UInt8], aad: [UInt8]) throws(TLSError) -> [UInt8] {
        try Self.check(nonce: nonce, message: plaintext.count, aad: aad.count)
        var sealed = [UInt8](repeating: 0, count: plaintext.count + Self.tagBytes)
        let done = contexts.lock.withLock {
            sealed.withUnsafeMutableBufferPointer { output in
                contexts.seal(plaintext, nonce: nonce, aad: aad, into: output)
            }
        }
        guard done else { throw .openssl(during: "sealing with AES-256-GCM", OpenSSLFault.drain()) }
        return sealed
    }

    /// - Throws: `TLSError.authenticationFailed` for anything that `seal` with this key, nonce and aad did not make.
    public func open(_ sealed: ArraySlice<UInt8>, nonce: [UInt8], aad: [UInt8]) throws(TLSError) -> [UInt8] {
        guard sealed.count >= Self.tagBytes else { throw .authenticationFailed }
        try Self.check(nonce: nonce, message: sealed.count, aad: aad.count)
        var plaintext = [UInt8](repeating: 0, count: sealed.count - Self.tagBytes)
        let done = contexts.lock.withLock {
            sealed.withUnsafeBufferPointer { input in
                plaintext.withUnsafeMutableBufferPointer { output in
                    contexts.open(input, nonce: nonce, aad: aad, into: output)
                }
            }
        }
        guard done else {
            // Forged datagrams are anyone's to send: the queue must not keep what they leave in it.
            ERR_clear_error()
            throw .authenticationFailed
        }
        return plaintext
    }

    private static func check(nonce: [UInt8], message: Int, aad: Int) throws(TLSError) {
        guard nonce.count == nonceBytes else {
            throw .wrongLength(of: "an AES-GCM nonce", count: nonce.count, expected: "12")
        }
        guard message <= messageBytesMax, aad <= messageBytesMax else {
            throw .wrongLength(
                of: "an AES-GCM message", count: max(message, aad), expected: "at most \(messageBytesMax)")
        }
    }
}

/// The two contexts of one key.
///
/// @unchecked Sendable is sound: both pointers are set once, and every use of them is under `lock`.
private final class Contexts: @unchecked Sendable {
    let lock = NIOLock()
    private let sealing: OpaquePointer
    private let opening: OpaquePointer

    // Fetched once; immutable afterwards and never freed, so it may be shared.
    nonisolated(unsafe) private static let cipher: OpaquePointer? =
        EVP_CIPHER_fetch(nil, "AES-256-GCM", nil) ?? EVP_aes_256_gcm()

    init?(key: [UInt8]) {
        guard let sealing = EVP_CIPHER_CTX_new() else { return nil }
        guard let opening = EVP_CIPHER_CTX_new() else {
            EVP_CIPHER_CTX_free(sealing)
            return nil
        }
        // From here on deinit frees both, also when this initializer fails.
        self.sealing = sealing
        self.opening = opening
        guard EVP_EncryptInit_ex(sealing, Self.cipher, nil, key, nil) == 1,
            EVP_DecryptInit_ex(opening, Self.cipher, nil, key, nil) == 1
        else { return nil }
    }

    deinit {
        EVP_CIPHER_CTX_free(sealing)
        EVP_CIPHER_CTX_free(opening)
    }

    func seal(
        _ plaintext: [UInt8], nonce: [UInt8], aad: [UInt8], into output: UnsafeMutableBufferPointer<UInt8>
    ) -> Bool {
        guard let base = output.baseAddress else { return false }
        var written: Int32 = 0
        guard EVP_EncryptInit_ex(sealing, nil, nil, nil, nonce) == 1 else { return false }
        if !aad.isEmpty, EVP_EncryptUpdate(sealing, nil, &written, aad, Int32(aad.count)) != 1 { return false }
        if !plaintext.isEmpty,
            EVP_EncryptUpdate(sealing, base, &written, plaintext, Int32(plaintext.count)) != 1
        {
            return false
        }
        let tag = base + plaintext.count
        return EVP_EncryptFinal_ex(sealing, tag, &written) == 1
            && EVP_CIPHER_CTX_ctrl(sealing, EVP_CTRL_AEAD_GET_TAG, Int32(AES256GCM.tagBytes), tag) == 1
    }

    func open(
        _ sealed: UnsafeBufferPointer<UInt8>, nonce: [UInt8], aad: [UInt8],
        into output: UnsafeMutableBufferPointer<UInt8>
    ) -> Bool {
        guard let input = sealed.baseAddress else { return false }
        var written: Int32 = 0
        guard EVP_DecryptInit_ex(opening, nil, nil, nil, nonce) == 1 else { return false }
        if !aad.isEmpty, EVP_DecryptUpdate(opening, nil, &written, aad, Int32(aad.count)) != 1 { return false }
        if !output.isEmpty,
            EVP_DecryptUpdate(opening, output.baseAddress, &written, input, Int32(output.count)) != 1
        {
            return false
        }
        let tag = UnsafeMutableRawPointer(mutating: input + output.count)
        guard EVP_CIPHER_CTX_ctrl(opening, EVP_CTRL_AEAD_SET_TAG, Int32(AES256GCM.tagBytes), tag) == 1 else {
            return false
        }
        // Nothing is written at the end of GCM; the pointer only must not be null.
        var rest: UInt8 = 0
        return EVP_DecryptFinal_ex(opening, &rest, &written) == 1
    }
}
