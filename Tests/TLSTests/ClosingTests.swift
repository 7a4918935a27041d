import NIOCore
import NIOEmbedded
import Testing
import Vocabulary

@testable import TLS

/// How connections end, seen from both sides, without a socket.
struct ClosingTests {
    let pair: EmbeddedPair

    init() throws {
        let authority = try TestAuthority()
        pair = try EmbeddedPair(
            client: authority.context("roost://pride/node/mkango"),
            server: authority.context("roost://pride/node/simba"))
        try pair.carry()
        pair.client.read()
        pair.server.read()
        try #require(pair.clientEnd.record.handshakes == 1 && pair.serverEnd.record.handshakes == 1)
    }

    @Test("a close sends close_notify after all that was flushed, and the peer sees a clean end")
    func clean() throws {
        pair.client.writeAndFlush(ByteBuffer(string: "last words"), promise: nil)
        let closed = pair.client.close()
        try pair.carry()
        try closed.wait()
        #expect(pair.serverEnd.record.received == Array("last words".utf8))
        #expect(pair.serverEnd.record.inactive)
        #expect(pair.serverEnd.record.errors.isEmpty && pair.clientEnd.record.errors.isEmpty)
        #expect(!pair.server.isActive)
        pair.end()
    }

    @Test("a stream that ends without close_notify is truncated: an error, not an end")
    func truncation() throws {
        let written = pair.server.writeAndFlush(ByteBuffer(string: "cut"))
        try written.wait()
        pair.client.writeAndFlush(ByteBuffer(string: "unfinished"), promise: nil)
        try pair.carry()
        pair.server.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(pair.serverEnd.record.received == Array("unfinished".utf8))
        #expect(pair.serverEnd.record.tlsErrors == [.truncated])
        #expect(!pair.server.isActive)
        pair.client.pipeline.fireChannelInactive()
        #expect(pair.clientEnd.record.tlsErrors == [.truncated])
        pair.end()
    }

    @Test("a record that is cut in its middle gives no plaintext and a truncation")
    func cutRecord() throws {
        pair.client.writeAndFlush(ByteBuffer(repeating: 9, count: 1_000), promise: nil)
        var record = try #require(try pair.client.readOutbound(as: ByteBuffer.self))
        let part = record.readSlice(length: 999)
        try pair.server.writeInbound(try #require(part))
        pair.server.pipeline.fireChannelInactive()
        #expect(pair.serverEnd.record.receivedBytes == 0)
        #expect(pair.serverEnd.record.tlsErrors == [.truncated])
        pair.end()
    }

    @Test("where half-closure is allowed, close_notify closes one direction and the other goes on")
    func halfClose() throws {
        pair.server.allowRemoteHalfClosure = true
        // An embedded channel has no halves; the wire is cut by hand instead.
        let session = try #require(pair.clientTLS.session)
        session.sendCloseNotify()
        try pair.server.writeInbound(session.wire.takeOutbound())
        #expect(pair.serverEnd.record.inputClosed == 1)
        #expect(pair.server.isActive)
        // The transport's own end comes after; it is announced once.
        pair.server.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(pair.serverEnd.record.inputClosed == 1)
        try pair.server.writeAndFlush(ByteBuffer(string: "still here")).wait()
        try pair.carry()
        #expect(pair.clientEnd.record.received == Array("still here".utf8))
        pair.server.close(promise: nil)
        try pair.carry()
        #expect(pair.serverEnd.record.errors.isEmpty && pair.clientEnd.record.errors.isEmpty)
        pair.end()
    }

    @Test("one changed bit on the wire ends the connection on both sides, with an alert")
    func tampering() throws {
        pair.client.writeAndFlush(ByteBuffer(string: "transfer 10"), promise: nil)
        var record = try #require(try pair.client.readOutbound(as: ByteBuffer.self))
        let byte = try #require(record.getInteger(at: record.readerIndex + 9, as: UInt8.self))
        record.setInteger(byte ^ 1, at: record.readerIndex + 9)
        try pair.server.writeInbound(record)
        try pair.carry()
        #expect(pair.serverEnd.record.receivedBytes == 0)
        guard case .openssl(_, let faults) = pair.serverEnd.record.tlsErrors.first else {
            Issue.record("\(pair.serverEnd.record.errors)")
            return
        }
        #expect(faults.contains { $0.text.contains("bad record mac") })
        #expect(pair.clientEnd.record.tlsErrors == [.alert(Alert(code: 20))])
        pair.end()
    }

    @Test("writes after the end fail, each with its promise; a second close is told of the first")
    func writesAfterClose() throws {
        let unflushed = pair.client.write(ByteBuffer(string: "never flushed"))
        let first = pair.client.close()
        let late = pair.client.writeAndFlush(ByteBuffer(string: "late"))
        try first.wait()
        #expect(throws: TLSError.closed) { try unflushed.wait() }
        #expect(throws: (any Error).self) { try late.wait() }
        #expect(throws: (any Error).self) { try pair.client.close().wait() }
        pair.end()
    }

    @Test("a writer who writes, closes or reads again the moment its write fails does no harm")
    func reentrancy() throws {
        let client = pair.client
        var failures = 0
        for _ in 0..<3 {
            let write = client.write(ByteBuffer(string: "never flushed"))
            write.assumeIsolated().whenFailure { _ in
                failures += 1
                client.writeAndFlush(ByteBuffer(string: "again"), promise: nil)
                client.close(promise: nil)
                client.read()
            }
        }
        let closed = client.close()
        try pair.carry()
        try closed.wait()
        #expect(failures == 3)
        #expect(pair.serverEnd.record.errors.isEmpty && pair.serverEnd.record.receivedBytes == 0)
        pair.end()
    }

    @Test("small writes of one flush travel in full records, and each promise is kept")
    func gathering() throws {
        let writes = (0..<1_000).map { pair.client.write(ByteBuffer(repeating: UInt8($0 % 251), count: 97)) }
        pair.client.flush()
        for write in writes { try write.wait() }
        var wire = 0
        while let buffer = try pair.client.readOutbound(as: ByteBuffer.self) {
            wire += buffer.readableBytes
            try pair.server.writeInbound(buffer)
        }
        #expect(
            pair.serverEnd.record.received == (0..<1_000).flatMap { [UInt8](repeating: UInt8($0 % 251), count: 97) })
        #expect(wire <= 97_000 + 8 * PendingWrites.recordOverheadBytes)
        pair.end()
    }
}
