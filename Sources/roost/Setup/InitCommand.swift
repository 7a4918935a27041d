import Agent
import ArgumentParser
import Authority
import Vocabulary

/// `roost init`: the first host of a new cluster, from nothing to a running agent.
struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make this host the first of a new cluster.",
        discussion: "Makes the cluster's CA (ca in the folder --etc), this node's certificate (certs) and the "
            + "configuration (roost.yaml: what it lacks is added; where it says something else, it is left as it is, "
            + "nothing is started, and the end is 73), and starts the service. The others come by `roost invite` here "
            + "and `roost enroll` there. What was made by an earlier try is kept.")

    @Option(help: "The cluster's name: a DNS label.")
    var cluster: String
    @Option(help: "This node's name: a DNS label.")
    var name: String
    @Option(help: "The address or host name that the others call this host by, with :PORT unless it is 7667.")
    var advertise: String
    @Option(help: "The folder of the configuration, the certificates and the CA.", completion: .directory)
    var etc = HostSetup.standardFolder
    @Flag(inversion: .prefixedNo, help: "Start the service.")
    var start = true
    @Flag(help: "Print one JSON value.")
    var json = false

    func run() async throws {
        var setup = HostSetup(folder: etc)
        let made: (ClusterName, NodeName, Endpoint)
        do {
            made = (try ClusterName(cluster), try NodeName(name), try Endpoint(parsing: advertise))
            try issue(setup, made)
        } catch { throw CaCommand.failure(error) }
        try setup.handOverAuthority()
        try setup.openCertificates()
        try setup.configure([.init("ca", [setup.authority]), .init("advertise", ["\(made.2)"])])
        await setup.start(wanted: start)
        if json {
            try Terminal.print(json: Made(ca: setup.authority, certs: setup.certificates, config: setup.configuration))
        } else {
            Terminal.print("\(made.1) is the first node of \(made.0)")
        }
        for remark in setup.remarks { Terminal.say(remark) }
        if let failure = setup.lacks { throw failure }
        Terminal.say("invite the next host, here: roost invite")
    }

    /// What is there already of the same names is kept, so that a run that was cut off can be run again.
    private func issue(_ setup: HostSetup, _ made: (cluster: ClusterName, name: NodeName, endpoint: Endpoint)) throws {
        let authority: CertificateAuthority
        if DurableText.isThere("\(setup.authority)/\(CertificateAuthority.certificateFile)") {
            authority = try .open(folder: setup.authority)
            guard authority.cluster == made.cluster else {
                throw CommandFailure(
                    "the CA in \(setup.authority) is of the cluster \(authority.cluster)",
                    hint: "name that one, or another folder", status: .conflict)
            }
        } else {
            authority = try .create(folder: setup.authority, cluster: made.cluster)
        }
        guard !DurableText.isThere("\(setup.certificates)/cert.pem") else {
            let pem = try DurableText.read("\(setup.certificates)/cert.pem")
            try Self.check(pem, is: CertificateName(cluster: made.cluster, role: .node, name: made.name), setup)
            return
        }
        let isAddress = made.endpoint.host.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || byte == UInt8(ascii: ".")
        }
        let host = made.endpoint.host
        _ = try authority.issue(
            role: .node, name: made.name, ips: isAddress || host.contains(":") ? [host] : [],
            dns: isAddress || host.contains(":") ? [] : [host], into: setup.certificates)
    }

    private static func check(_ pem: [UInt8], is name: CertificateName, _ setup: HostSetup) throws {
        guard try IssuedNames.uris(pem: pem) == [name.uri] else {
            throw CommandFailure(
                "the certificate in \(setup.certificates) is not \(name)",
                hint: "this host is set up already; to begin anew, move \(setup.certificates) away", status: .conflict)
        }
    }

    private struct Made: Encodable {
        let ca: String
        let certs: String
        let config: String
    }
}
