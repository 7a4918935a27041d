import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Reads a small file whole, never more than a stated count of bytes: a wrong path may be a device or a disk image.
enum BoundedFile {
    struct Failure: Error, Hashable {
        let reason: String
    }

    /// The reason when there is no such file.
    static var missing: String { String(cString: strerror(ENOENT)) }

    static func read(_ path: String, bytesMax: Int) throws(Failure) -> Data {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Failure(reason: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var data = Data()
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            #if canImport(Glibc)
                let count = Glibc.read(descriptor, &chunk, chunk.count)
            #else
                let count = Darwin.read(descriptor, &chunk, chunk.count)
            #endif
            if count == 0 { return data }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw Failure(reason: String(cString: strerror(errno)))
            }
            guard data.count + count <= bytesMax else { throw Failure(reason: "it has more than \(bytesMax) bytes") }
            data.append(contentsOf: chunk[..<count])
        }
    }
}
