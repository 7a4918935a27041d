import ArgumentParser
import Vocabulary

/// Whom a certificate is for: one of the four.
struct HolderOptions: ParsableArguments {
    @Option(help: "A node of that name.")
    var node: String?
    @Option(help: "An administrator.")
    var admin: String?
    @Option(help: "A client that reads and writes.")
    var client: String?
    @Option(help: "A client that only reads.")
    var reader: String?

    private var given: [(role: Role, name: String)] {
        [(.node, node), (.admin, admin), (.client, client), (.reader, reader)]
            .compactMap { role, name in name.map { (role, $0) } }
    }

    var isEmpty: Bool { given.isEmpty }

    /// Here rather than in `validate()`, so that a mistyped option is named as such first.
    ///
    /// - Throws: `CommandFailure` unless exactly one is given; `NameError`.
    func one() throws -> (role: Role, name: NodeName) {
        guard let (role, text) = given.first, given.count == 1 else {
            throw CommandFailure(
                "give exactly one of --node, --admin, --client and --reader",
                hint: "`roost ca issue --help` says what each may do", status: .usage)
        }
        return (role, try NodeName(text))
    }
}

/// What else a certificate says, and where it goes.
struct CertificateOptions: ParsableArguments {
    @Option(help: "An address that others call the node by; repeat for more.")
    var ip: [String] = []
    @Option(help: "A host name that others call the node by; repeat for more.")
    var dns: [String] = []
    @Option(help: "The folder to write to; created when missing.", completion: .directory)
    var out: String
    @Option(help: "Days that the certificate is good for.")
    var days: Int = 365
    @Flag(help: "Print one JSON value.")
    var json = false

    /// - Throws: `CommandFailure` for what no certificate can have.
    func validity() throws -> Duration { try CaCommand.validity(days) }
}
