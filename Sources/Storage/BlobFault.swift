import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What is wrong with the file of a blob that a version names.
public enum BlobFault: String, Sendable, Hashable, CaseIterable {
    case missing
    /// It has another size than the version says: cut short, most likely.
    case size
    /// The disk does not give its bytes.
    case unreadable
    /// Its bytes have another SHA-256.
    case flipped
}

/// Which file was looked at: one that has taken its place since is another.
struct FileIdentity: Hashable, Sendable {
    let device: UInt64
    let inode: UInt64
}

extension BlobFault {
    /// Whether the error tells that the bytes are lost, and not that this process could not get at them now (too many
    /// open files, no memory, no permission): those pass, and a file is not set aside for them.
    public init?(_ error: StorageError) {
        switch error {
        case .rotten: self = .flipped
        case .damaged: self = .size
        case .io(_, _, let code):
            // EUCLEAN and EBADMSG: the file system's own checksum does not hold; EISDIR: something else is in its place.
            switch code {
            case EIO, EISDIR, EBADMSG: self = .unreadable
            default:
                #if canImport(Glibc)
                    guard code == EUCLEAN else { return nil }
                    self = .unreadable
                #else
                    return nil
                #endif
            }
        default: return nil
        }
    }
}
