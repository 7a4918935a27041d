import ArgumentParser
import Authority
import Client
import Vocabulary

/// `roost renew`: a user's next certificate. Agents renew their own.
struct RenewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "renew",
        abstract: "Get a new certificate for the name of yours, before it ends or when the CA changes.",
        discussion:
            "Makes a new key, asks the node that has the CA, and puts ca.pem, cert.pem and key.pem in the place "
            + "of those in --certs. Agents need it not: they renew themselves at two thirds of the life.")

    @OptionGroup var connection: ConnectionOptions
    @Option(help: "Write into this folder instead, and leave the present one.", completion: .directory)
    var out: String?
    @Flag(help: "Print one JSON value.")
    var json = false

    func run() async throws {
        guard let folder = connection.certificates else {
            throw CommandFailure(
                "which certificate is to be renewed?", hint: "name its folder with --certs or ROOST_CERTS",
                status: .usage)
        }
        let target = out ?? folder
        try await connection.run { client in
            let set = try await renewed(folder, client)
            do throws(AuthorityError) {
                try out == nil ? set.replace(in: folder) : set.write(into: target)
            } catch { throw CaCommand.failure(error) }
            if json { return try Terminal.print(json: Report(name: set.name.uri, certs: target)) }
            Terminal.print(target)
            Terminal.say("\(set.name) has a new certificate")
        }
    }

    private func renewed(_ folder: String, _ client: AgentClient) async throws -> CertificateSet {
        do {
            let renewal = try Renewal(folder: folder)
            let texts = try renewal.texts()
            let answer = try await answer(to: .init(request: texts.request, present: texts.present), folder, client)
            return try renewal.take(certificate: answer.certificate, authorities: answer.authorities)
        } catch let error as AuthorityError {
            throw CaCommand.failure(error)
        }
    }

    /// Members asked for the one that has the CA.
    private static let askedMax = 64

    /// The agent named may be any: where it has no CA, the members are asked in turn.
    private func answer(to ask: API.RenewRequest, _ folder: String, _ client: AgentClient) async throws -> API.Renewed {
        var refusal: any Error
        do { return try await client.renew(ask) } catch {
            guard Self.meansElsewhere(error) else { throw error }
            refusal = error
        }
        for member in try await client.members().prefix(Self.askedMax) {
            guard let address = try? AgentAddress(parsing: "https://\(member.address)"),
                let other = try? AgentClient(agents: [address], certificates: folder, node: member.name)
            else { continue }
            do {
                let answer = try await other.renew(ask)
                await other.close()
                return answer
            } catch {
                await other.close()
                if !Self.meansElsewhere(error) { refusal = error }
            }
        }
        throw refusal
    }

    private static func meansElsewhere(_ error: any Error) -> Bool {
        guard case ClientError.status(_, let problem, _, _) = error else { return false }
        return problem.code == API.Renewed.noAuthorityCode
    }

    private struct Report: Encodable {
        let name: String
        let certs: String
    }
}
