import Foundation

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Files written together or not at all, each new: a name that is taken is an error and its file stays as it was.
///
/// A new folder gets its name last, when everything in it is durable: a kill or a power cut leaves it whole or absent.
/// In a folder that is there already each file gets its name last, one after the other; what a cut between two of those
/// names leaves is recognised (`AuthorityError.incomplete`). What else a cut leaves has a name of its own and is
/// removed by the next attempt.
///
/// A key has its mode from its first byte on, because `open` creates it so; there is no moment to read it in between.
struct NewFiles {
    struct Item {
        let name: String
        let bytes: [UInt8]
        let mode: mode_t
    }

    let folder: String
    let items: [Item]

    /// The name of a file or folder that is not complete.
    static func unfinished(_ name: some StringProtocol) -> String { ".\(name).roost-new" }

    private func final(_ item: Item) -> String { "\(folder)/\(item.name)" }
    private func temporary(_ item: Item) -> String { "\(folder)/\(Self.unfinished(item.name))" }

    /// - Throws: `exists` for the first name that is taken, a dangling symbolic link included; `incomplete`.
    func refuseTaken() throws(AuthorityError) {
        let taken = items.filter { DurableFiles.exists(final($0)) }
        guard let first = taken.first else { return }
        let unfinished = items.filter { DurableFiles.exists(temporary($0)) }
        guard !unfinished.isEmpty else { throw .exists(path: final(first)) }
        throw .incomplete(folder: folder, files: taken.map(\.name) + unfinished.map { Self.unfinished($0.name) })
    }

    /// Writes all of them durably, creating the folder (mode 0700) and its missing parents (0755).
    func write() throws(AuthorityError) {
        var info = stat()
        if stat(folder, &info) == 0 {
            try fill()
        } else if errno == ENOENT {
            try create()
        } else {
            throw .cannotWrite(path: folder, reason: .init(errno: errno))
        }
    }

    private func create() throws(AuthorityError) {
        let parent = DurableFiles.parent(of: folder)
        let name = folder.split(separator: "/").last ?? ""
        var place = "\(parent)/\(Self.unfinished(name))"
        let made = try DurableFiles.makeFolders(parent)
        do throws(AuthorityError) {
            guard mkdir(place, 0o700) == 0 || errno == EEXIST else {
                throw .cannotWrite(path: folder, reason: .init(errno: errno))
            }
            let lock = try DurableFiles.lock(folder: place, isOurs: true, shown: folder)
            defer { close(lock) }
            do throws(AuthorityError) {
                Self.empty(place)
                for item in items {
                    let path = "\(place)/\(item.name)"
                    try DurableFiles.create(path, item.bytes, mode: item.mode, shown: final(item))
                }
                try DurableFiles.sync(folder: place)
                // Takes the place of nothing, or of an empty folder.
                guard rename(place, folder) == 0 else {
                    throw [EEXIST, ENOTEMPTY, ENOTDIR].contains(errno)
                        ? .exists(path: folder) : .cannotWrite(path: folder, reason: .init(errno: errno))
                }
                place = folder
                for path in [folder] + made.reversed() { try DurableFiles.sync(folder: DurableFiles.parent(of: path)) }
            } catch {
                for item in items { unlink("\(place)/\(item.name)") }
                rmdir(place)
                throw error
            }
        } catch {
            // Only folders of our own, innermost first; `rmdir` spares one that somebody else has put a file into.
            for path in made.reversed() { rmdir(path) }
            throw error
        }
    }

    /// Removes what an attempt that was cut off has left in a folder that only such attempts write to.
    private static func empty(_ folder: String) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        for name in names { unlink("\(folder)/\(name)") }
    }

    private func fill() throws(AuthorityError) {
        let lock = try DurableFiles.lock(folder: folder, shown: folder)
        defer { close(lock) }
        try refuseTaken()
        var placed: [String] = []
        do throws(AuthorityError) {
            for item in items {
                // Of an attempt that was cut off before it placed any: we hold the lock, so nobody writes it now.
                unlink(temporary(item))
                try DurableFiles.create(temporary(item), item.bytes, mode: item.mode, shown: final(item))
            }
            try DurableFiles.sync(folder: folder)
            for item in items {
                try DurableFiles.place(temporary(item), as: final(item))
                placed.append(final(item))
            }
            try DurableFiles.sync(folder: folder)
        } catch {
            for item in items { unlink(temporary(item)) }
            for path in placed { unlink(path) }
            throw error
        }
    }
}
