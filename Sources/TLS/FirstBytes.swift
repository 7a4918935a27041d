import NIOCore

/// Looks at the first bytes of a connection before OpenSSL does, so that what is not TLS costs next to nothing and
/// gets a message that says what it was.
public enum FirstBytes {
    case tooFew
    case tls
    case plain(PlainBytes)

    /// The length of a TLS record header.
    public static let needed = 5

    /// RFC 8446 §5.2.
    private static let recordBytesMax = 16_384 + 256

    /// Whether there is something to answer: one record whole, as a ClientHello is, or what can not become one.
    ///
    /// - Parameter count: how many there are, where the buffer has only the first of them.
    public static func suffice(_ buffer: ByteBuffer, of count: Int? = nil) -> Bool {
        switch FirstBytes(buffer) {
        case .tooFew: return false
        case .plain: return true
        case .tls:
            guard let length = buffer.getInteger(at: buffer.readerIndex + 3, as: UInt16.self) else { return true }
            return Int(length) > recordBytesMax || (count ?? buffer.readableBytes) >= needed + Int(length)
        }
    }

    init(_ buffer: ByteBuffer) {
        guard buffer.readableBytes >= Self.needed else {
            self = .tooFew
            return
        }
        let bytes = Array(buffer.readableBytesView.prefix(Self.needed))
        // RFC 8446 §5.1: a record begins with its type (21 alert, 22 handshake) and the legacy version 3.x.
        if bytes[0] == 21 || bytes[0] == 22, bytes[1] == 3 {
            self = .tls
        } else if Self.httpBeginnings.contains(where: { bytes.starts(with: $0) }) {
            self = .plain(.http)
        } else {
            self = .plain(.other(bytes))
        }
    }

    private static let httpBeginnings = [
        "GET ", "HEAD ", "POST ", "PUT ", "DELET", "OPTIO", "PATCH", "CONNE", "TRACE", "PRI *", "HTTP/",
    ].map { Array($0.utf8) }

    /// What a browser or curl shows someone who wrote http:// for https://. It tells nothing of the cluster.
    static let answerToHTTP: String = {
        let body = "This port speaks TLS 1.3 with client certificates only: use https:// and --cert, --key, --cacert.\n"
        return "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: \(body.utf8.count)\r\n"
            + "Connection: close\r\n\r\n" + body
    }()
}
