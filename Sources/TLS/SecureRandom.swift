import COpenSSL

/// Random bytes fit for keys and nonces, from OpenSSL's generator (seeded by the kernel).
public enum SecureRandom {
    /// - Throws: `TLSError.wrongLength` past 1 MiB, `.openssl` when the generator is not seeded.
    public static func bytes(_ count: Int) throws(TLSError) -> [UInt8] {
        guard (0...1 << 20).contains(count) else {
            throw .wrongLength(of: "a random value", count: count, expected: "0 to 1048576")
        }
        var bytes = [UInt8](repeating: 0, count: count)
        guard RAND_bytes(&bytes, Int32(count)) == 1 else {
            throw .openssl(during: "making random bytes", OpenSSLFault.drain())
        }
        return bytes
    }
}
