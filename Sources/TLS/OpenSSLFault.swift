// OpenSSL reports through a queue of errors of the current thread. It is emptied right after the call that failed,
// on the same thread, so that no fault is blamed on a later call.
import COpenSSL

/// One entry of OpenSSL's error queue.
public struct OpenSSLFault: Hashable, Sendable, CustomStringConvertible {
    /// `ERR_LIB_…`: which part of OpenSSL speaks.
    public let library: Int32
    /// The reason code within that library.
    public let reason: Int32
    public let text: String

    public var description: String { text }

    var isOfTLS: Bool { library == ERR_LIB_SSL }

    /// PEM text has no further block: how reading all of them ends.
    var isEndOfPEM: Bool { library == ERR_LIB_PEM && reason == PEM_R_NO_START_LINE }

    /// Empties the queue of this thread: oldest, most specific first. OpenSSL itself keeps at most 16.
    package static func drain() -> [OpenSSLFault] {
        var faults: [OpenSSLFault] = []
        while true {
            var data: UnsafePointer<CChar>?
            var flags: Int32 = 0
            let code = ERR_get_error_all(nil, nil, nil, &data, &flags)
            guard code != 0 else { return faults }
            let reason = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(String(code, radix: 16))"
            let detail = flags & ERR_TXT_STRING != 0 ? data.map { String(cString: $0) } ?? "" : ""
            faults.append(
                OpenSSLFault(
                    library: roost_ERR_library(code), reason: roost_ERR_reason(code),
                    text: detail.isEmpty ? reason : "\(reason) (\(detail))"))
        }
    }
}
