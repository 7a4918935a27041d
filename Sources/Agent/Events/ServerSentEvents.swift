import Client
import HTTPTypes
import Hummingbird
import NIOCore

/// `GET /v1/events`: the event log as a stream of server-sent events (WHATWG HTML §9.2).
///
///     id: 17
///     event: joined
///     data: {"address":"10.0.0.9:7667","id":17,"node":"simba",…}
extension EventLog {
    /// A silent stream says something within this time, so that both sides notice when the other is gone.
    public static let heartbeat: Duration = .seconds(15)

    /// Answers a request: from `Last-Event-ID` on where the client names one, else from now on; `?after=0` asks for all
    /// that is kept, and so does `?follow=1`. `?follow=0` ends after those. A number greater than any so far counts as 0.
    func response(
        to request: Request, over connection: Connection? = nil, heartbeat: Duration = EventLog.heartbeat
    ) throws(APIError) -> Response {
        let query = try request.query()
        let wanted = request.headers[.lastEventID] ?? query["after"] ?? (query["follow"] == nil ? nil : "0")
        let after: UInt64?
        if let wanted {
            guard let number = UInt64(wanted) else { throw .badRequest("Last-Event-ID is not a number of an event") }
            after = number
        } else {
            after = nil
        }
        if query["follow"] == "0" { return page(after: after ?? 0) }
        guard let events = follow(after: after) else {
            throw .unavailable(
                "\(Self.followersMax) clients follow the events already", code: "too_many", retryAfterSeconds: 5)
        }
        connection?.beganToTellEvents()
        return Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
            body: Hummingbird.ResponseBody { writer in
                // Sent at once: a client knows that it is connected before anything happens.
                try await writer.write(ByteBuffer(string: ": roost events\n\n"))
                for await item in Heartbeat(events: events, every: heartbeat) {
                    try await writer.write(Self.frame(item))
                }
                try await writer.finish(nil)
            })
    }

    /// What is kept, as a stream that ends.
    private func page(after id: UInt64) -> Response {
        let kept = events(after: id)
        return Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
            body: Hummingbird.ResponseBody { writer in
                for event in kept { try await writer.write(Self.frame(event)) }
                try await writer.finish(nil)
            })
    }

    static func frame(_ event: API.Event?) throws -> ByteBuffer {
        guard let event else { return ByteBuffer(string: ":\n\n") }
        return ByteBuffer(
            string: "id: \(event.id)\nevent: \(event.type)\ndata: \(try API.JSON.text(event))\n\n")
    }
}

/// Events with nil between them when nothing happened for a while.
private struct Heartbeat: AsyncSequence {
    let events: AsyncStream<API.Event>
    let every: Duration

    func makeAsyncIterator() -> AsyncStream<API.Event?>.Iterator {
        let (stream, continuation) = AsyncStream.makeStream(
            of: API.Event?.self, bufferingPolicy: .bufferingNewest(EventLog.bufferMax))
        let task = Task { [events, every] in
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    for await event in events { continuation.yield(event) }
                    continuation.finish()
                }
                group.addTask {
                    while (try? await Task.sleep(for: every)) != nil { continuation.yield(nil) }
                }
                await group.next()
                group.cancelAll()
            }
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream.makeAsyncIterator()
    }
}

extension HTTPField.Name {
    static var lastEventID: HTTPField.Name { .init("Last-Event-ID") ?? .eTag }
}
