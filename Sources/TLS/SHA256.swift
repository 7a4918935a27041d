// SHA-256 (FIPS 180-4): the identity of every blob. 1.3 GB/s through EVP, so large streams hash beside the event
// loop, never in it (DESIGN §10).
import COpenSSL
import NIOCore
import Vocabulary

enum DigestAlgorithm {
    // Fetched once: an implicit fetch costs more than the digest of a short text. nonisolated(unsafe) is sound: the
    // object is immutable after the fetch and never freed, and its reference count is atomic.
    nonisolated(unsafe) static let sha256: OpaquePointer? = EVP_MD_fetch(nil, "SHA256", nil) ?? EVP_sha256()
}

public enum SHA256 {
    public static func digest(_ bytes: UnsafeRawBufferPointer) -> ContentDigest {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { output in
            let done = EVP_Digest(
                bytes.baseAddress, bytes.count, output.baseAddress, nil, DigestAlgorithm.sha256, nil)
            // Fails only without memory or without SHA-256 in OpenSSL; no input decides it, and no digest is no answer.
            guard done == 1, let digest = ContentDigest(bytes: output) else {
                preconditionFailure("OpenSSL has no SHA-256: \(OpenSSLFault.drain())")
            }
            return digest
        }
    }

    public static func digest(_ bytes: some Sequence<UInt8>) -> ContentDigest {
        if let digest = bytes.withContiguousStorageIfAvailable({ digest(UnsafeRawBufferPointer($0)) }) { return digest }
        return Array(bytes).withUnsafeBytes { digest($0) }
    }

    public static func digest(_ buffer: ByteBuffer) -> ContentDigest {
        buffer.withUnsafeReadableBytes { digest($0) }
    }
}

/// SHA-256 over what arrives in pieces. A value: a copy goes its own way.
public struct SHA256Hasher: Sendable {
    // @unchecked Sendable is sound: the context is touched only through a uniquely referenced holder (`own()`), so two
    // values, on whatever threads, never share one that either changes.
    private final class Context: @unchecked Sendable {
        let pointer: OpaquePointer

        init?() {
            guard let pointer = EVP_MD_CTX_new() else { return nil }
            self.pointer = pointer
            guard EVP_DigestInit_ex(pointer, DigestAlgorithm.sha256, nil) == 1 else { return nil }
        }

        deinit { EVP_MD_CTX_free(pointer) }
    }

    private var context: Context

    /// - Throws: `TLSError.openssl` when OpenSSL has no memory left.
    public init() throws(TLSError) {
        guard let context = Context() else { throw .openssl(during: "starting a SHA-256", OpenSSLFault.drain()) }
        self.context = context
    }

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        own()
        let done = EVP_DigestUpdate(context.pointer, bytes.baseAddress, bytes.count)
        precondition(done == 1, "SHA-256 takes any bytes")
    }

    public mutating func update(_ bytes: some Sequence<UInt8>) {
        if bytes.withContiguousStorageIfAvailable({ update(UnsafeRawBufferPointer($0)) }) != nil { return }
        Array(bytes).withUnsafeBytes { update($0) }
    }

    public mutating func update(_ buffer: ByteBuffer) {
        buffer.withUnsafeReadableBytes { update($0) }
    }

    /// The digest of everything so far; the hasher starts anew.
    public mutating func finish() -> ContentDigest {
        own()
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { output in
            let done =
                EVP_DigestFinal_ex(context.pointer, output.baseAddress, nil) == 1
                && EVP_DigestInit_ex(context.pointer, DigestAlgorithm.sha256, nil) == 1
            guard done, let digest = ContentDigest(bytes: output) else {
                preconditionFailure("OpenSSL cannot finish a SHA-256: \(OpenSSLFault.drain())")
            }
            return digest
        }
    }

    private mutating func own() {
        guard !isKnownUniquelyReferenced(&context) else { return }
        guard let copy = Context(), EVP_MD_CTX_copy_ex(copy.pointer, context.pointer) == 1 else {
            preconditionFailure("no memory to copy a SHA-256: \(OpenSSLFault.drain())")
        }
        context = copy
    }
}
