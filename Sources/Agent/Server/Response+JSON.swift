import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

extension Response {
    static let jsonType = "application/json; charset=utf-8"

    /// The one way that a value becomes a JSON answer.
    public static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
        // Only a number that JSON has no text for (NaN) can not be encoded.
        guard let buffer = jsonText(value) else { return Response(status: .internalServerError) }
        return Response(
            status: status, headers: [.contentType: jsonType], body: ResponseBody(byteBuffer: buffer))
    }

    /// Sorted keys, readable slashes, a newline at the end for curl.
    static func jsonText(_ value: some Encodable) -> ByteBuffer? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else { return nil }
        var buffer = ByteBuffer()
        buffer.writeBytes(data)
        buffer.writeInteger(UInt8(ascii: "\n"))
        return buffer
    }

    public static func text(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}

extension HTTPField.Name {
    /// Who answered.
    public static let roostNode = literal("Roost-Node")
    /// The way of a request, from the node asked to the one that answered.
    public static let roostRoute = literal("Roost-Route")
    public static let roostVersion = literal("Roost-Version")
    public static let roostHome = literal("Roost-Home")
    public static let roostSHA256 = literal("Roost-SHA256")

    private static func literal(_ name: String) -> HTTPField.Name {
        guard let field = HTTPField.Name(name) else { preconditionFailure("\(name) is a token") }
        return field
    }
}
