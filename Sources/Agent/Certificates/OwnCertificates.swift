import Authority
import TLS
import Vocabulary

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Where this node's certificates are: the operator's in `certs`, which the agent only reads, and those it got itself by
/// renewing, each in a folder of its own under `certs` of `data_dir`. So the operator's key can be root's alone, and
/// whatever a power cut leaves is a whole set or none.
struct OwnCertificates: Sendable {
    /// Of the operator.
    let folder: String
    /// Of the agent.
    let renewedFolder: String

    init(_ settings: AgentSettings) {
        folder = settings.certificatesFolder
        renewedFolder = "\(settings.dataFolder)/certs"
    }

    /// The set that was issued last: the operator's, or the last one that was renewed.
    ///
    /// A renewed one counts only beside an operator's of the same name: whoever takes that away, or puts another's
    /// there, means it.
    ///
    /// - Throws: what is wrong with the operator's, when there is no renewed one in its place.
    func current(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(TLSError) -> Credentials {
        let handed = HandedKey.paths(environment)
        let own = try Credentials(folder: folder, handedKeys: handed, atAnyTime: true)
        // One that can not be used is passed over: it is as if it had not been renewed yet.
        for place in renewedFolders.reversed() {
            guard let renewed = try? Credentials(folder: place), renewed.name == own.name else { continue }
            if renewed.notBefore >= own.notBefore { return renewed }
            break
        }
        // With its time over it is told as what it is.
        return try Credentials(folder: folder, handedKeys: handed)
    }

    /// Keeps a renewed set, as the last one. Durable when it returns.
    func keep(_ set: CertificateSet) throws(AuthorityError) {
        let last = renewedFolders.last.flatMap { UInt32($0.dropFirst(renewedFolder.utf8.count + 1)) } ?? 0
        let digits = String(last.addingReportingOverflow(1).partialValue)
        let number = String(repeating: "0", count: max(0, Self.digits - digits.count)) + digits
        try set.write(into: "\(renewedFolder)/\(number)")
    }

    /// Removes the renewed sets before this one.
    func removeBefore(_ present: Credentials) {
        let folders = renewedFolders
        guard let index = folders.firstIndex(of: present.folder) else { return }
        for folder in folders[..<index] { try? FileManager.default.removeItem(atPath: folder) }
    }

    /// Enough for a renewal a second for a hundred years.
    private static let digits = 10

    /// In the order in which they came.
    private var renewedFolders: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: renewedFolder)) ?? []
        return names.filter { $0.utf8.count == Self.digits && UInt32($0) != nil }.sorted().map {
            "\(renewedFolder)/\($0)"
        }
    }
}
