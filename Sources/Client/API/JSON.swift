#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The one way that JSON of the API becomes bytes and back.
extension API {
    public enum JSON {
        /// Keys are sorted, so that equal values are equal bytes on every machine; slashes stay readable.
        ///
        /// - Throws: `ClientError.json` for a number that JSON has no text for, which no type of the API holds.
        public static func encode(_ value: some Encodable, pretty: Bool = false) throws(ClientError) -> [UInt8] {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
            do {
                return Array(try encoder.encode(value))
            } catch {
                throw .json(what: "\(type(of: value))", reason: describe(error))
            }
        }

        public static func text(_ value: some Encodable, pretty: Bool = false) throws(ClientError) -> String {
            String(decoding: try encode(value, pretty: pretty), as: UTF8.self)
        }

        /// - Throws: `ClientError.json` that names the key which is missing or of another type.
        public static func decode<T: Decodable>(_ type: T.Type, from bytes: some Sequence<UInt8>) throws(ClientError)
            -> T
        {
            do {
                return try JSONDecoder().decode(type, from: Data(bytes))
            } catch {
                throw .json(what: "\(type)", reason: describe(error))
            }
        }

        private static func describe(_ error: any Error) -> String {
            func path(_ context: DecodingError.Context) -> String {
                let keys = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }
                return keys.isEmpty ? "the value" : "\"\(keys.joined(separator: "."))\""
            }
            switch error {
            case DecodingError.keyNotFound(let key, let context):
                return "\(path(context)) has no \"\(key.stringValue)\""
            case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
                return "\(path(context)) is not of the type expected (\(context.debugDescription))"
            case DecodingError.dataCorrupted(let context):
                return "\(path(context)): \(context.debugDescription)"
            default: return "\(error)"
            }
        }
    }
}
