/// What swift-argument-parser says of this command line (`--experimental-dump-help`), as far as the manual pages need it.
struct ToolInfo: Decodable {
    let command: Command

    struct Command: Decodable {
        let commandName: String
        let shouldDisplay: Bool?
        let abstract: String?
        let discussion: String?
        let subcommands: [Command]?
        let arguments: [Argument]?
    }

    struct Argument: Decodable {
        let kind: Kind
        let shouldDisplay: Bool
        let isOptional: Bool
        let isRepeating: Bool
        let names: [Name]?
        let preferredName: Name?
        let valueName: String?
        let defaultValue: String?
        let allValues: [String]?
        let abstract: String?
        let discussion: String?
    }

    enum Kind: String, Decodable { case positional, option, flag }

    struct Name: Decodable {
        let kind: NameKind
        let name: String

        /// As one types it.
        var text: String {
            switch kind {
            case .long: "--\(name)"
            case .short, .longWithSingleDash: "-\(name)"
            }
        }
    }

    enum NameKind: String, Decodable { case long, short, longWithSingleDash }
}
