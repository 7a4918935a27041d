import Agent
import ArgumentParser
import Authority
import Vocabulary

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// `roost enroll TOKEN`: from a bare host to a member.
struct EnrollCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enroll",
        abstract: "Join this host to a cluster with a token of roost invite.",
        discussion:
            "Makes a key, which never leaves this host, gets its certificate from the node that invited, writes "
            + "both and what the configuration lacks, and starts the service; where roost.yaml says something else, it "
            + "is left as it is, nothing is started, and the end is 73. A client's, reader's or admin's certificate "
            + "goes to the folder --out alone. When the answer was lost, the same line does it again.")

    @Argument(help: "What roost invite printed.")
    var token: String
    @Option(help: "This host's name, where the token is for none in particular. Default: its host name.")
    var name: String?
    @Option(help: "Write the certificate and its key into this folder, and do nothing else.", completion: .directory)
    var out: String?
    @Option(help: "The address that the others call this host by, when it is not the one it finds itself.")
    var advertise: String?
    @Option(help: "The folder of the configuration and the certificates.", completion: .directory)
    var etc = HostSetup.standardFolder
    @Flag(inversion: .prefixedNo, help: "Start the service.")
    var start = true
    @Flag(help: "Print one JSON value.")
    var json = false

    func run() async throws {
        let token: InvitationToken
        let wanted: NodeName
        var setup = HostSetup(folder: etc)
        do {
            token = try InvitationToken(parsing: self.token)
            wanted = try ownName(token)
            if let advertise { _ = try Endpoint(parsing: advertise) }
        } catch let error as InvitationTokenError {
            throw CommandFailure("\(error)", status: .usage)
        } catch { throw CaCommand.failure(error) }
        guard out != nil || token.role == .node else {
            throw CommandFailure(
                "the token is for a \(token.role.rawValue), not for a node of the cluster",
                hint: "name the folder for the certificate: --out DIR", status: .usage)
        }
        let folder = out ?? setup.certificates
        let granted: EnrolmentAnswer.Granted
        do {
            granted = try Enrolment(token: token, name: wanted, folder: folder).run()
        } catch { throw Self.failure(error) }
        if out == nil {
            var settings: [SettingsText.Line] = []
            if let advertise { settings.append(.init("advertise", [advertise])) }
            settings.append(.init("join", granted.join))
            try setup.openCertificates()
            try setup.configure(settings)
            await setup.start(wanted: start)
        }
        if json {
            try Terminal.print(json: Enrolled(uri: granted.uri, certs: folder, join: granted.join))
        } else {
            Terminal.print(folder)
            Terminal.say("this is \(granted.uri)")
        }
        for remark in setup.remarks { Terminal.say(remark) }
        if let failure = setup.lacks { throw failure }
    }

    /// What was asked for, what the token says, what the host is called.
    private func ownName(_ token: InvitationToken) throws -> NodeName {
        if let name { return try NodeName(name) }
        if let bound = token.name { return bound }
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else {
            throw CommandFailure("this host has no name", hint: "give one: --name NAME", status: .usage)
        }
        let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let label = text.split(separator: ".").first.map { $0.lowercased() } ?? ""
        guard let name = try? NodeName(label) else {
            throw CommandFailure(
                "this host's name \"\(text.prefix(80))\" can not be a node's", hint: "give one: --name NAME",
                status: .usage)
        }
        return name
    }

    private static func failure(_ error: any Error) -> any Error {
        guard let error = error as? Enrolment.Failure else { return CaCommand.failure(error) }
        switch error {
        case .unreachable(let message):
            return CommandFailure(
                message, hint: "check that port 7667 is open, and that the agent that invited runs there",
                status: .unreachable)
        case .busy(let message): return CommandFailure(message, hint: "try again in a minute", status: .tryAgain)
        case .stranger(let message):
            return CommandFailure(
                message, hint: "check the addresses in the token; somebody may be in between", status: .notPermitted)
        case .failed(let message): return CommandFailure(message)
        case .refused(let refused):
            let status: ExitStatus =
                switch refused.code {
                case "name_taken": .conflict
                case "unable": .tryAgain
                case "name_needed", "name_is_bound": .usage
                default: .notPermitted
                }
            return CommandFailure(refused.message, hint: refused.hint, status: status)
        }
    }

    private struct Enrolled: Encodable {
        let uri: String
        let certs: String
        let join: [String]
    }
}
