import FoundationEssentials
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The file of the unix socket: a stale one (its agent was killed) is taken away, a live one is left alone.
struct UnixSocketFile {
    let path: String
    /// Which file it is: another agent's at the same path has another number.
    private let number: FileNumber

    private struct FileNumber: Hashable {
        let device: Int?
        let inode: Int?
    }

    /// Owner and group may open it; who that is decides the unit file. Everybody who can is admin.
    static let mode: mode_t = 0o660

    /// Makes the path free to bind.
    ///
    /// The question "does somebody answer?" and the bind are two steps; between two agents of one host the lock on the
    /// data folder, taken earlier, decides.
    static func clear(_ path: String, on group: any EventLoopGroup) async throws(ListenError) {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path) else { return }
        guard attributes[.type] as? FileAttributeType == .typeSocket else { throw .notASocket(path: path) }
        do {
            let channel = try await ClientBootstrap(group: group).connectTimeout(.seconds(2))
                .connect(unixDomainSocketPath: path).get()
            channel.close(promise: nil)
            throw ListenError.socketInUse(path: path)
        } catch let error as ListenError {
            throw error
        } catch let error as IOError where error.errnoCode == ECONNREFUSED {
            guard unlink(path) == 0 || errno == ENOENT else {
                throw .socketFailed(path: path, reason: String(cString: strerror(errno)))
            }
        } catch let error as IOError where error.errnoCode == ENOENT {
            return
        } catch let error as IOError where error.errnoCode == EACCES {
            throw .socketFailed(path: path, reason: "it belongs to another user")
        } catch {
            // A full backlog or a silent listener: somebody holds it.
            throw .socketInUse(path: path)
        }
    }

    /// Restricts the socket just bound, and remembers it.
    init(bound path: String) throws(ListenError) {
        guard chmod(path, Self.mode) == 0 else {
            throw .socketFailed(path: path, reason: String(cString: strerror(errno)))
        }
        self.path = path
        number = Self.number(path)
    }

    /// Takes the file away unless another agent has put its own there by now.
    func remove() {
        guard number.inode != nil, Self.number(path) == number else { return }
        unlink(path)
    }

    private static func number(_ path: String) -> FileNumber {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return FileNumber(
            device: integer(attributes?[.systemNumber]),
            inode: integer(attributes?[.systemFileNumber]))
    }

    /// Foundation's two halves disagree on the type of these numbers, and agree on how they read.
    private static func integer(_ value: Any?) -> Int? { value.flatMap { Int("\($0)") } }
}
