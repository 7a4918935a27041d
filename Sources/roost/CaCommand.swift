import ArgumentParser
import Authority
import Vocabulary

/// `roost ca …`: makes the cluster's CA and the certificates of its nodes and users. Needs no agent.
struct CaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca",
        abstract: "Create the cluster's certificate authority and issue certificates.",
        subcommands: [
            Init.self,
            Issue.self,
            Sign.self,
            Status.self,
            Rotate.self,
        ])

    struct Init: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create a CA.",
            discussion: "Writes ca.pem, ca.key.pem (mode 0600) and issued.log. Whoever has ca.key.pem can make "
                + "certificates of any role: keep the folder off the nodes.")

        @Argument(help: "The folder of the new CA.", completion: .directory)
        var dir: String
        @Option(help: "The cluster's name: a DNS label.")
        var cluster: String
        @Option(help: "Days that the CA is good for.")
        var days: Int = 3_650
        @Flag(help: "Print one JSON value.")
        var json = false

        func run() async throws {
            let authority: CertificateAuthority
            do {
                authority = try .create(folder: dir, cluster: ClusterName(cluster), validity: CaCommand.validity(days))
            } catch { throw CaCommand.failure(error) }
            let path = "\(authority.folder)/\(CertificateAuthority.certificateFile)"
            if json {
                try Terminal.print(
                    json: Created(
                        ca: path, cluster: authority.cluster,
                        notAfter: Timestamp.text(authority.notAfter)))
            } else {
                Terminal.print(path)
                Terminal.say(
                    "CA of the cluster \(authority.cluster), good until \(Timestamp.text(authority.notAfter))"
                )
            }
        }

        private struct Created: Encodable {
            let ca: String
            let cluster: ClusterName
            let notAfter: String

            enum CodingKeys: String, CodingKey {
                case ca, cluster
                case notAfter = "not_after"
            }
        }
    }

    struct Issue: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Issue a certificate with a new key.",
            discussion: "Writes ca.pem, cert.pem and key.pem (mode 0600) into the folder --out. Exactly one of --node, "
                + "--admin, --client and --reader says what its holder may do: readers read, clients also put and "
                + "delete, admins also change membership and keys, nodes are agents.")

        @Argument(help: "The folder of the CA.", completion: .directory)
        var dir: String
        @OptionGroup var holder: HolderOptions
        @OptionGroup var certificate: CertificateOptions

        func run() async throws {
            let issued: IssuedCertificate
            let authority: CertificateAuthority
            do {
                let (role, name) = try holder.one()
                let validity = try certificate.validity()
                authority = try .open(folder: dir)
                issued = try authority.issue(
                    role: role, name: name, ips: certificate.ip, dns: certificate.dns, validity: validity,
                    into: certificate.out)
            } catch { throw CaCommand.failure(error) }
            try CaCommand.tell(issued, certificate)
            if issued.notAfter == authority.notAfter {
                Terminal.say("note: cut to the end of the CA itself; create a new CA before then")
            }
        }
    }

    /// What was signed, and for whom.
    static func tell(_ issued: IssuedCertificate, _ options: CertificateOptions) throws {
        if options.json { return try Terminal.print(json: issued) }
        Terminal.print(options.out)
        Terminal.say("\(issued.name), good until \(Timestamp.text(issued.notAfter)), serial \(issued.serial)")
    }

    /// - Throws: `CommandFailure` for what no certificate can have.
    static func validity(_ days: Int) throws -> Duration {
        guard (1...36_500).contains(days) else {
            throw CommandFailure("--days must be from 1 to 36500, not \(days)", status: .usage)
        }
        return .seconds(days * 86_400)
    }

    /// The exit status of each kind of failure. Errors that are not the CA's pass unchanged.
    static func failure(_ error: any Error) -> any Error {
        if let error = error as? NameError { return CommandFailure(error.description, status: .usage) }
        guard let error = error as? AuthorityError else { return error }
        let status: ExitStatus =
            switch error {
            case .exists, .incomplete: .conflict
            case .cannotRead(_, let reason), .cannotWrite(_, let reason): reason.isPermission ? .notPermitted : .failed
            case .addressesNeedNode, .tooManyAddresses, .badAddress, .badValidity, .tooManyInvitations: .usage
            case .noAuthority, .notAnAuthority, .exposedKey, .expired: .badConfiguration
            case .busy: .tryAgain
            case .crypto, .refused: .failed
            }
        return CommandFailure(error.description, status: status)
    }
}
