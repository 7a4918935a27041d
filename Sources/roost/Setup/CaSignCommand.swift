import ArgumentParser
import Authority
import Vocabulary

extension CaCommand {
    /// `roost ca sign`: the certificate of a request that `roost csr` made elsewhere.
    struct Sign: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sign a request of roost csr.",
            discussion: "Writes cert.pem and ca.pem into the folder --out. Role and name are those that the request "
                + "asks for, unless one of --node, --admin, --client and --reader says otherwise: look at what is "
                + "printed before you hand it out.")

        @Argument(help: "The folder of the CA.", completion: .directory)
        var dir: String
        @Argument(help: "The request, in PEM form.", completion: .file())
        var request: String
        @Option(help: "Sign it for a node of that name.") var node: String?
        @Option(help: "Sign it for an administrator.") var admin: String?
        @Option(help: "Sign it for a client that reads and writes.") var client: String?
        @Option(help: "Sign it for a client that only reads.") var reader: String?
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

        func run() async throws {
            let issued: IssuedCertificate
            do {
                let read = try RequestFiles.read(request)
                let role: Role
                let name: NodeName
                if [node, admin, client, reader].allSatisfy({ $0 == nil }) {
                    guard let asked = read.role, let own = read.name else {
                        throw CommandFailure(
                            "the request does not say for whom it is",
                            hint: "say it: --node NAME, --admin NAME, --client NAME or --reader NAME", status: .usage)
                    }
                    (role, name) = (asked, own)
                } else {
                    (role, name) = try CaCommand.one(node: node, admin: admin, client: client, reader: reader)
                }
                issued = try CertificateAuthority.open(folder: dir).sign(
                    read.request, role: role, name: name, ips: ip, dns: dns, validity: CaCommand.validity(days),
                    into: out)
            } catch { throw CaCommand.failure(error) }
            if json { return try Terminal.print(json: issued) }
            Terminal.print(out)
            Terminal.say("\(issued.name), good until \(Timestamp.text(issued.notAfter)), serial \(issued.serial)")
        }
    }

    /// Whom a certificate is for.
    static func one(
        node: String?, admin: String?, client: String?, reader: String?
    ) throws -> (role: Role, name: NodeName) {
        let chosen: [(Role, String)] = [(.node, node), (.admin, admin), (.client, client), (.reader, reader)]
            .compactMap { role, name in name.map { (role, $0) } }
        guard let (role, text) = chosen.first, chosen.count == 1 else {
            throw CommandFailure(
                "give exactly one of --node, --admin, --client and --reader",
                hint: "`roost ca issue --help` says what each may do", status: .usage)
        }
        return (role, try NodeName(text))
    }
}
