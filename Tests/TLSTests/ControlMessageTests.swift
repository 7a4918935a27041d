import COpenSSL
import NIOCore
import NIOEmbedded
import Testing
import Vocabulary

@testable import TLS

/// Key updates are the peer's right, and without a bound its cheapest attack.
struct ControlMessageTests {
    let pair: EmbeddedPair

    init() throws {
        let simba = try TestAuthority().context("roost://pride/node/simba")
        pair = try EmbeddedPair(client: simba, server: simba)
        try pair.carry()
        pair.client.read()
        pair.server.read()
        try send("x")
        pair.server.writeAndFlush(ByteBuffer(string: "y"), promise: nil)
        try pair.carry()
    }

    private func send(_ text: String) throws {
        pair.client.writeAndFlush(ByteBuffer(string: text), promise: nil)
        try pair.carry()
    }

    /// What a client sends that renews its keys again and again, and asks for as much.
    private func updates(_ count: Int) throws -> ByteBuffer {
        let session = try #require(pair.clientTLS.session)
        for _ in 0..<count {
            try #require(SSL_key_update(session.ssl, SSL_KEY_UPDATE_REQUESTED) == 1)
            try #require(SSL_do_handshake(session.ssl) == 1)
        }
        return session.wire.takeOutbound()
    }

    @Test("as many key updates as are allowed between data are followed, and answered")
    func allowed() throws {
        for _ in 0..<5 {
            try pair.server.writeInbound(updates(ControlMessages.countMax))
            try send("x")
            // The answers are key updates, too, and count at the other end.
            pair.server.writeAndFlush(ByteBuffer(string: "y"), promise: nil)
            try pair.carry()
        }
        #expect(pair.serverEnd.record.receivedBytes == 6)
        #expect(pair.clientEnd.record.receivedBytes == 6)
        #expect(pair.serverEnd.record.errors.isEmpty && pair.clientEnd.record.errors.isEmpty)
        pair.end()
    }

    @Test("one more ends the connection, in one piece or in many", arguments: [27, .max])
    func flood(piece: Int) throws {
        var flight = try updates(ControlMessages.countMax + 1_000)
        while pair.server.isActive,
            let part = flight.readSlice(length: min(piece, flight.readableBytes)), part.readableBytes > 0
        {
            try pair.server.writeInbound(part)
        }
        #expect(pair.serverEnd.record.tlsErrors == [.tooManyControlMessages(limit: ControlMessages.countMax)])
        #expect(!pair.server.isActive)
        pair.end()
    }
}
