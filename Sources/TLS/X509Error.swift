import COpenSSL

/// Why a key or a certificate could not be made or read.
///
/// The same text for every source of the bytes: whoever knows the file's path adds it.
public enum X509Error: Error, Hashable, Sendable, CustomStringConvertible {
    /// OpenSSL refused `doing`; `reason` is its own error stack.
    case failed(doing: String, reason: String)
    /// The PEM text holds no `kind`.
    case notPEM(kind: String, reason: String)
    /// A private key with a pass phrase: an agent that starts unattended can not use it.
    case encryptedKey
    /// A DNS name or IP address that no certificate can carry.
    case badAlternativeName(text: String, reason: String)
    /// A validity that ends before it begins, or past the year 9999.
    case badValidity(reason: String)

    public var description: String {
        switch self {
        case .failed(let doing, let reason):
            "OpenSSL could not \(doing): \(reason)"
        case .notPEM(let kind, let reason):
            "this is not a \(kind) in PEM form (\(reason)): expected a block that begins with -----BEGIN"
        case .encryptedKey:
            "the private key is protected by a pass phrase: store it without one (openssl pkey -in KEY -out KEY2) "
                + "with file mode 0600"
        case .badAlternativeName(let text, let reason):
            "\"\(text)\" can not stand in a certificate: \(reason)"
        case .badValidity(let reason):
            "the certificate's validity is not possible: \(reason)"
        }
    }

    /// Takes OpenSSL's error stack of this thread, oldest first, and leaves it empty.
    static func drainStack() -> String {
        var reasons: [String] = []
        while true {
            let code = ERR_get_error()
            if code == 0 { break }
            let reason = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
            // The stack is a ring of 16 entries, so this loop ends; a hostile file can not fill a log either.
            if reasons.count < 4, !reasons.contains(reason) { reasons.append(reason) }
        }
        return reasons.isEmpty ? "no reason given" : reasons.joined(separator: ", ")
    }

    static func stack(_ doing: String) -> X509Error { .failed(doing: doing, reason: drainStack()) }
}

/// Runs `body` with a read-only memory BIO over the bytes.
func withX509Input<T>(
    _ bytes: [UInt8], _ body: (OpaquePointer) throws(X509Error) -> T
) throws(X509Error) -> T {
    // A PEM file of ours has under 2 kB. Whoever hands over more has the wrong file.
    guard bytes.count <= 1 << 20 else { throw .notPEM(kind: "key or certificate", reason: "more than 1 MiB") }
    guard let bio = BIO_new(BIO_s_mem()) else { throw .stack("allocate memory") }
    defer { BIO_free(bio) }
    guard bytes.isEmpty || BIO_write(bio, bytes, Int32(bytes.count)) == Int32(bytes.count) else {
        throw .stack("copy \(bytes.count) bytes")
    }
    return try body(bio)
}

/// Collects what `body` writes to a memory BIO. OpenSSL wipes the BIO's memory when it frees it.
func x509Output(_ doing: String, _ body: (OpaquePointer) -> Int32) throws(X509Error) -> [UInt8] {
    guard let bio = BIO_new(BIO_s_mem()) else { throw .stack("allocate memory") }
    defer { BIO_free(bio) }
    guard body(bio) == 1 else { throw .stack(doing) }
    var bytes = [UInt8](repeating: 0, count: BIO_ctrl_pending(bio))
    let count = BIO_read(bio, &bytes, Int32(clamping: bytes.count))
    guard count == bytes.count else { throw .stack(doing) }
    return bytes
}
