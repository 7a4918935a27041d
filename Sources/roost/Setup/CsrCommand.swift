import ArgumentParser
import Authority

/// `roost csr`: a key and a request, where the CA's key is kept off the nodes.
struct CsrCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "csr",
        abstract: "Make a key and a request for its certificate, for a CA that is elsewhere.",
        discussion: "Writes key.pem (mode 0600), which never leaves this host, and request.pem into the folder --out. "
            + "`roost ca sign` makes the certificate of the request, to be put beside the key.")

    @OptionGroup var holder: HolderOptions
    @Option(help: "The folder to write to; created when missing.", completion: .directory)
    var out: String
    @Flag(help: "Print one JSON value.")
    var json = false

    func run() async throws {
        let path = "\(out)/request.pem"
        do {
            let (role, name) = try holder.one()
            try RequestFiles.make(role: role, name: name, into: out)
        } catch { throw CaCommand.failure(error) }
        if json {
            try Terminal.print(json: ["request": path])
        } else {
            Terminal.print(path)
            Terminal.say(
                "where the CA is: roost ca sign CA_DIR request.pem --out signed\n"
                    + "then put signed/cert.pem and signed/ca.pem into \(out)"
                    + (holder.node == nil
                        ? "" : ",\nname a member under join in the configuration, and start the agent"))
        }
    }
}
