import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A TCP client that says what it is told and reads until the other side closes.
enum RawClient {
    static func exchange(_ port: UInt16, _ text: String) async throws -> String {
        let channel = try await ClientBootstrap(group: TestBed.group).connect(host: "127.0.0.1", port: Int(port)) {
            channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }
        }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            var answer = ""
            do {
                for try await part in inbound { answer += String(buffer: part) }
            } catch is IOError {
                // A reset ends the exchange like a close.
            }
            return answer
        }
    }
}

/// Leaves a socket file behind that nobody listens on.
func socketWithoutListener(_ path: String) -> Bool {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
        }
    }
}

/// A unix datagram socket as systemd has one for sd_notify: its senders have no name, which NIO does not take.
final class DatagramSocket: Sendable {
    private let descriptor: Int32

    convenience init?(_ path: String) { self.init(name: Array(path.utf8), size: MemoryLayout<sockaddr_un>.size) }

    /// `@name`, which systemd uses in containers.
    convenience init?(abstract name: String) {
        self.init(name: [0] + name.utf8.dropFirst(), size: 2 + name.utf8.count)
    }

    private init?(name: [UInt8], size: Int) {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(size)) == 0
            }
        }
        guard isBound else { return nil }
    }

    deinit { close(descriptor) }

    /// The next message that is there already; nil when there is none.
    func next() -> String? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
