import NIOConcurrencyHelpers
import NIOCore
import SWIM
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The handshakes under way on the TLS port, shared by the listener and the connections.
final class Handshakes: Sendable {
    private struct Entry {
        let id: UInt64
        let key: String
        let channel: any Channel
        var isProven = false
    }

    private struct State {
        var register: HandshakeRegister
        /// The connections that were let in and are open.
        var entries: [ObjectIdentifier: Entry] = [:]
        /// Those whose handshake is under way: they may have to give way.
        var waiting: [UInt64: ObjectIdentifier] = [:]
        var next: UInt64 = 1
    }

    private let state: NIOLockedValueBox<State>
    private let paces = HandshakePaces()

    init(_ bounds: HandshakeRegister.Bounds) {
        state = NIOLockedValueBox(State(register: HandshakeRegister(bounds: bounds, now: .now())))
    }

    /// For the metrics: under way from addresses that have proven nothing, and from others.
    var underWay: (strangers: Int, known: Int) {
        state.withLockedValue { ($0.register.strangersUnderWay, $0.register.knownUnderWay) }
    }

    /// On the channel's event loop.
    func pace(of channel: any Channel) -> HandshakePace { paces.of(channel.eventLoop) }

    /// Asked once for each connection, before anything is made for it.
    ///
    /// - Returns: false when it is to be closed at once.
    func admit(_ channel: any Channel, from key: String) -> Bool {
        let place = ObjectIdentifier(channel)
        let (isAdmitted, instead): (Bool, (any Channel)?) = state.withLockedValue { state in
            let id = state.next
            let decision = state.register.begin(id, from: key, at: .now()) { ArrivedBytes.suffice(on: channel) }
            if case .refused = decision { return (false, nil) }
            state.next += 1
            state.entries[place] = Entry(id: id, key: key, channel: channel)
            state.waiting[id] = place
            guard case .admittedInPlace(let old) = decision, let other = state.waiting.removeValue(forKey: old) else {
                return (true, nil)
            }
            return (true, state.entries[other]?.channel)
        }
        guard isAdmitted else { return false }
        if let instead { Self.slam(instead) }
        channel.closeFuture.whenComplete { [self] _ in closed(place) }
        return true
    }

    /// A connection's ClientHello is complete.
    func spoke(_ channel: any Channel) {
        state.withLockedValue { state in
            guard let entry = state.entries[ObjectIdentifier(channel)] else { return }
            state.register.spoke(entry.id, from: entry.key)
        }
    }

    /// What became of a connection's handshake.
    func ended(_ channel: any Channel, _ outcome: HandshakeRegister.Outcome) {
        state.withLockedValue { state in
            guard let entry = state.entries[ObjectIdentifier(channel)] else { return }
            state.waiting[entry.id] = nil
            let isCounted = state.register.ended(entry.id, from: entry.key, outcome, at: .now())
            if case .proven = outcome, isCounted { state.entries[ObjectIdentifier(channel)]?.isProven = true }
        }
    }

    private func closed(_ place: ObjectIdentifier) {
        state.withLockedValue { state in
            guard let entry = state.entries.removeValue(forKey: place) else { return }
            state.waiting[entry.id] = nil
            if entry.isProven {
                state.register.closed(provenFrom: entry.key, at: .now())
            } else {
                state.register.ended(entry.id, from: entry.key, .failed, at: .now())
            }
        }
    }

    /// A member's address: it comes in whoever else is at the door.
    func welcome(_ host: String) {
        guard let address = try? SocketAddress(ipAddress: host, port: 0) else { return }
        let key = CallSource(address).key
        state.withLockedValue { $0.register.welcome(key, at: .now()) }
    }

    /// Learns the addresses of members as they come and move.
    func welcome(_ event: MemberEvent) {
        switch event.kind {
        case .joined, .returned, .updated, .reachable: welcome(event.claim.endpoint.host)
        case .suspected, .refuted, .crashed, .left, .unreachable, .zoneUnreachable, .zoneReachable, .conflict: break
        }
    }

    /// Closes with a reset: nothing was promised, and nothing of it stays behind in the kernel.
    static func slam(_ channel: any Channel) {
        channel.eventLoop.execute {
            if let options = channel as? any SocketOptionProvider {
                options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in channel.close(promise: nil) }
            } else {
                channel.close(promise: nil)
            }
        }
    }
}

/// Stands first in the listener's pipeline. Who is refused here has cost an `accept` and a `close`.
final class HandshakeDoor: ChannelInboundHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel

    private let handshakes: Handshakes
    private let failures: TLSFailures

    init(_ handshakes: Handshakes, failures: TLSFailures) {
        self.handshakes = handshakes
        self.failures = failures
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = unwrapInboundIn(data)
        let key = CallSource(channel.remoteAddress).key
        guard handshakes.admit(channel, from: key) else {
            failures.refusedAtTheDoor(key)
            Handshakes.slam(channel)
            return
        }
        context.fireChannelRead(data)
    }
}
