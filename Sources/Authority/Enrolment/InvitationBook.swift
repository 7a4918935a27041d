import Foundation
import TLS
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The invitations of one CA: `invitations.json` in its folder, written whole and durably at each change.
struct InvitationBook {
    static let fileName = "invitations.json"
    /// Open ones and those that are over. At half, a script that invites a large site is refused; at double, the file
    /// that is written at each change has a megabyte.
    static let countMax = 1_000
    private static let bytesMax = 4 << 20
    /// Those that are over are shown for so long: thirty days.
    static let keptSeconds: Int64 = 30 * 86_400

    private let folder: String
    private var path: String { "\(folder)/\(Self.fileName)" }
    private(set) var all: [Invitation]

    init(folder: String) throws(AuthorityError) {
        self.folder = folder
        let path = "\(folder)/\(Self.fileName)"
        let bytes: [UInt8]
        do throws(AuthorityError) {
            bytes = try DurableFiles.read(path, countMax: Self.bytesMax).bytes
        } catch .cannotRead(_, let reason) where reason.isMissing {
            all = []
            return
        }
        do { all = try JSONDecoder().decode([Invitation].self, from: Data(bytes)) } catch {
            // Taken for empty, used ones would be forgotten, and good for a second time if an old file came back.
            throw .notAnAuthority(path: path, reason: "it is damaged; move it away, and every invitation with it")
        }
    }

    func find(_ id: String) -> Invitation? { all.first { $0.id == id } }

    /// - Throws: `tooManyInvitations` when all of them are open.
    mutating func add(_ invitation: Invitation, now: Int64) throws(AuthorityError) {
        var kept = all.filter { $0.expires.addingReportingOverflow(Self.keptSeconds).partialValue > now }
        // The oldest that are over give way.
        while kept.count >= Self.countMax {
            guard let index = kept.firstIndex(where: { $0.expires <= now || $0.revoked }) else {
                throw .tooManyInvitations(max: Self.countMax)
            }
            kept.remove(at: index)
        }
        try write(kept + [invitation])
    }

    mutating func replace(_ invitation: Invitation) throws(AuthorityError) {
        try write(all.map { $0.id == invitation.id ? invitation : $0 })
    }

    /// Durable when it returns; after a cut either the old file stands or the new one.
    private mutating func write(_ changed: [Invitation]) throws(AuthorityError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let bytes: [UInt8]
        do { bytes = [UInt8](try encoder.encode(changed)) } catch {
            throw .cannotWrite(path: path, reason: .init(errno: EINVAL))
        }
        try DurableFiles.replace(path, bytes, mode: 0o600)
        all = changed
    }
}

extension DurableFiles {
    /// Puts a file in the place of another, or of none. Durable when it returns.
    static func replace(_ path: String, _ bytes: [UInt8], mode: mode_t) throws(AuthorityError) {
        let folder = parent(of: path)
        let temporary = "\(folder)/\(NewFiles.unfinished(path.split(separator: "/").last ?? ""))"
        unlink(temporary)
        try create(temporary, bytes, mode: mode, shown: path)
        guard rename(temporary, path) == 0 else {
            let reason = SystemReason(errno: errno)
            unlink(temporary)
            throw .cannotWrite(path: path, reason: reason)
        }
        try sync(folder: folder)
    }
}
