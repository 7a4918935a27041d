import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Room on the disk that nobody else can take: a file that is removed when there is no other room. A start, a delete, and
/// letting go of what others hold write a little before they make room: on a disk that others have filled to the last byte
/// none of them could begin.
final class Ballast: Sendable {
    /// A start takes some 50 KiB, and a transaction some pages of the log. At half, a few hundred deletes are all that a full
    /// disk takes; at double, a small disk has that much less.
    static let bytes: UInt64 = 1_024 * 1_024
    /// With less than this free, nothing is set aside.
    private static let freeMin: UInt64 = 8 * 1_024 * 1_024

    /// What incoming bytes leave free of a file system of this size: when the ballast is let go of, it is not for them.
    static func share(of total: UInt64) -> UInt64 { total >= 2 * freeMin ? bytes : 0 }

    private let folder: String
    private let path: String
    private let isHeldBox: NIOLockedValueBox<Bool>

    var isHeld: Bool { isHeldBox.withLockedValue { $0 } }

    init(folder: DataFolder) {
        self.folder = folder.path
        path = folder.ballast
        let size = (try? Files.facts(folder.ballast))?.map(\.size) ?? 0
        isHeldBox = NIOLockedValueBox(size >= Self.bytes)
    }

    /// Lets go of it when there is no more room than it has. Blocks.
    func letGoIfFull() {
        guard let free = Files.space(at: folder)?.free, free < Self.bytes else { return }
        letGo()
    }

    /// Blocks.
    func letGo() {
        isHeldBox.withLockedValue { isHeld in
            guard isHeld else { return }
            isHeld = (try? Files.remove(path)) == nil
        }
    }

    /// Sets it aside where there is room, and it is not. Blocks.
    func take() {
        isHeldBox.withLockedValue { isHeld in
            guard !isHeld, let free = Files.space(at: folder)?.free, free >= Self.freeMin else { return }
            // Without it the agent is as well off as it was before: what fails here fails silently.
            guard let file = try? Files.open(path, O_RDWR | O_CREAT) else { return }
            isHeld = posix_fallocate(file.descriptor, 0, off_t(Self.bytes)) == 0
            if !isHeld { try? Files.remove(path) }
        }
    }
}
