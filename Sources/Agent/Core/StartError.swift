import Storage
import TLS

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Why an agent did not start.
public enum StartError: Error, CustomStringConvertible {
    /// Settings, certificates and data folder contradict one another: exit 78.
    case configuration(String, hint: String)
    /// Anything else: exit 1.
    case failed(String, hint: String)

    public var description: String {
        switch self {
        case .configuration(let text, let hint), .failed(let text, let hint): "\(text): \(hint)"
        }
    }
}

extension StartError {
    /// Says of any failure at the start what kind it is: what an operator has to set right is a configuration.
    init(_ error: any Error) {
        switch error {
        case let error as StartError: self = error
        case let error as TLSError: self = .configuration("\(error)", hint: "see certs/README.md")
        case let error as ListenError where error.isConfiguration:
            self = .configuration("\(error)", hint: "nothing was changed")
        case let error as StorageError:
            switch error {
            case .notOurs, .belongsTo, .newerSchema: self = .configuration("\(error)", hint: "nothing was changed")
            case .io(_, _, let code) where Self.needsOperator(code):
                self = .configuration("\(error)", hint: "data_dir names the folder; nothing was changed")
            default: self = .failed("\(error)", hint: "nothing was changed")
            }
        default: self = .failed("\(error)", hint: "nothing was changed")
        }
    }

    /// The data folder can not be made, entered or written: the same start would end the same way for ever. What else goes
    /// wrong with a disk may pass.
    private static func needsOperator(_ code: Int32) -> Bool {
        [EACCES, EPERM, EROFS, ENOTDIR, ELOOP, ENAMETOOLONG].contains(code)
    }
}
