import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

extension Response {
    /// The one way that a value becomes a JSON answer: sorted keys, readable slashes, a newline at the end for curl.
    public static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else {
            // Only a number that JSON has no text for (NaN) gets here.
            return Response(status: .internalServerError)
        }
        var buffer = ByteBuffer()
        buffer.writeBytes(data)
        buffer.writeInteger(UInt8(ascii: "\n"))
        return Response(
            status: status, headers: [.contentType: "application/json; charset=utf-8"],
            body: ResponseBody(byteBuffer: buffer))
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
