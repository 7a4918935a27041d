// Reads the three files of a credentials folder, with a bound, and without ever asking a terminal for a passphrase.
import COpenSSL

#if canImport(Glibc)
    import Glibc
#endif

struct PEMFile {
    /// A certificate in PEM has about 1 KiB; a folder of CAs in transition a few.
    static let bytesMax = 1 << 20
    static let certificatesMax = 64

    let path: String
    let bytes: [UInt8]
    /// The permission bits.
    let mode: UInt32

    /// What is to be written there.
    init(path: String, bytes: [UInt8]) {
        self.path = path
        self.bytes = bytes
        mode = 0o600
    }

    init(path: String) throws(TLSError) {
        self.path = path
        // Without O_NONBLOCK the start (and each reload) would hang on a pipe of that name.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .credentials(file: path, .unreadable(String(cString: strerror(errno)))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .credentials(file: path, .unreadable(String(cString: strerror(errno))))
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .credentials(file: path, .notAFile) }
        mode = UInt32(status.st_mode) & 0o7777
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = read(descriptor, &part, part.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .credentials(file: path, .unreadable(String(cString: strerror(errno)))) }
            if count == 0 { break }
            bytes.append(contentsOf: part.prefix(count))
            guard bytes.count <= Self.bytesMax else {
                throw .credentials(file: path, .tooLarge(limitBytes: Self.bytesMax))
            }
        }
        self.bytes = bytes
    }

    /// All certificates in the file, in order, at least one. The caller owns the references.
    func certificates() throws(TLSError) -> [OwnedX509] {
        let source = try source()
        defer { BIO_free(source) }
        var found: [OwnedX509] = []
        while let pointer = PEM_read_bio_X509(source, nil, Self.noPassphrase, nil) {
            found.append(OwnedX509(adopting: pointer))
            guard found.count <= Self.certificatesMax else {
                throw .credentials(file: path, .tooManyCertificates(max: Self.certificatesMax))
            }
        }
        let faults = OpenSSLFault.drain()
        guard !found.isEmpty else { throw .credentials(file: path, .malformed(expected: "certificate", faults)) }
        // Anything but "no further block" is a block that was there and could not be read: a CA that would be missing.
        guard faults.last.map(\.isEndOfPEM) == true else {
            throw .credentials(file: path, .malformedBlock(number: found.count + 1, faults))
        }
        return found
    }

    func privateKey() throws(TLSError) -> OpaquePointer {
        let source = try source()
        defer { BIO_free(source) }
        if let key = PEM_read_bio_PrivateKey(source, nil, Self.noPassphrase, nil) { return key }
        let faults = OpenSSLFault.drain()
        let text = String(decoding: bytes.prefix(4_096), as: UTF8.self)
        throw .credentials(
            file: path, text.contains("ENCRYPTED") ? .encryptedKey : .malformed(expected: "private key", faults))
    }

    /// A BIO with a copy of the bytes, which it wipes when it is freed. The caller frees it.
    private func source() throws(TLSError) -> OpaquePointer {
        guard let source = BIO_new(BIO_s_mem()) else {
            throw .openssl(during: "reading \(path)", OpenSSLFault.drain())
        }
        guard bytes.isEmpty || BIO_write(source, bytes, Int32(bytes.count)) == Int32(bytes.count) else {
            BIO_free(source)
            throw .openssl(during: "reading \(path)", OpenSSLFault.drain())
        }
        return source
    }

    /// OpenSSL's own would prompt on the terminal, and a daemon would hang.
    private static let noPassphrase:
        @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?)
            -> Int32 = { _, _, _, _ in -1 }
}

/// One reference to an `X509`, given back at the end.
///
/// @unchecked Sendable is sound: the object is not changed after it was parsed, its lazily cached extensions are under
/// OpenSSL's own lock, and its reference count is atomic.
final class OwnedX509: @unchecked Sendable {
    let pointer: OpaquePointer
    var certificate: Certificate { Certificate(pointer: pointer) }

    init(adopting pointer: OpaquePointer) { self.pointer = pointer }
    deinit { X509_free(pointer) }
}
