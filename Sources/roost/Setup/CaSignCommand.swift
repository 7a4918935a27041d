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
        @OptionGroup var holder: HolderOptions
        @OptionGroup var certificate: CertificateOptions

        func run() async throws {
            let issued: IssuedCertificate
            do {
                let read = try RequestFiles.read(request)
                let role: Role
                let name: NodeName
                if holder.isEmpty {
                    guard let asked = read.role, let own = read.name else {
                        throw CommandFailure(
                            "the request does not say for whom it is",
                            hint: "say it: --node NAME, --admin NAME, --client NAME or --reader NAME", status: .usage)
                    }
                    (role, name) = (asked, own)
                } else {
                    (role, name) = try holder.one()
                }
                issued = try CertificateAuthority.open(folder: dir).sign(
                    read.request, role: role, name: name, ips: certificate.ip, dns: certificate.dns,
                    validity: certificate.validity(), into: certificate.out)
            } catch { throw CaCommand.failure(error) }
            try CaCommand.tell(issued, certificate)
        }
    }
}
