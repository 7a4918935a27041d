import ArgumentParser
import Client

struct PutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Store a file as a resource.",
        discussion: "Returns when enough nodes have it on disk, or says that fewer have it so far.")

    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "The file; - reads standard input.", completion: .file())
    var file: String
    @Argument(
        help: "The resource's name. Default: the file's own, without its folders.", transform: NameArgument.parse)
    var name: String?
    @Option(help: "The node that the resource belongs to.")
    var home: String?
    @Option(help: "Only if the present version is this one (see history).")
    var ifVersion: String?
    @Flag(help: "Only if no resource has the name.")
    var ifAbsent = false
    @Option(help: "The media type. Default: by the name's ending.")
    var type: String?
    @Flag(help: "Exit with 75 when fewer nodes than wanted have it in time.")
    var strict = false
    @Flag(help: "Print one JSON value.")
    var json = false

    func validate() throws {
        if file == "-" && name == nil { throw ValidationError("Give a NAME for what comes from standard input.") }
        if ifVersion != nil && ifAbsent { throw ValidationError("--if-version and --if-absent exclude each other.") }
    }

    func run() async throws {
        let name = name ?? Self.baseName(file)
        try await connection.run { client in
            let bar = Terminal.progressBar(name)
            defer { bar.finish() }
            let upload = try Self.open(file, bar)
            let answer = try await client.put(
                name, upload,
                options: AgentClient.WriteOptions(
                    home: home, ifVersion: ifVersion, ifAbsent: ifAbsent, contentType: type ?? MediaType.guess(name)))
            bar.finish()
            try WriteReport.show(answer, did: "stored", json: json, strict: strict)
        }
    }

    private static func open(_ file: String, _ bar: ProgressBar) throws -> Upload {
        // The bar needs the length, which is known once the file is open.
        let length = Length()
        let progress: @Sendable (UInt64) -> Void = { bar.update($0, of: length.value) }
        let upload =
            file == "-" ? try Upload.standardInput(progress: progress) : try Upload.file(file, progress: progress)
        length.value = upload.length
        return upload
    }

    /// Set once, before the first byte is read.
    private final class Length: @unchecked Sendable {
        // Written before the upload is handed to the task that reads it; only read after that.
        var value: UInt64?
    }

    static func baseName(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? path
    }
}

/// What a put and a rm say of their outcome.
enum WriteReport {
    static func show(_ answer: AgentClient.WriteAnswer, did: String, json: Bool, strict: Bool) throws {
        let result = answer.result
        let copies = result.copies.joined(separator: ", ")
        if json {
            try Terminal.print(json: result)
        } else {
            let size = result.sha256 == nil ? "" : "\(HumanUnits.bytes(result.size)), "
            Terminal.print("\(result.name): \(did), \(size)version \(result.version), on \(copies)")
        }
        guard answer.isShortOfCopies else { return }
        let message = "\(result.name): only \(result.copies.count) of the copies wanted so far (\(copies))"
        if strict {
            throw CommandFailure(
                message, hint: "it is kept, and copied as soon as a node can take it; `roost where` shows when",
                status: .tryAgain)
        }
        Terminal.say("warning: \(message); more are made as soon as a node can take them")
    }
}

/// The few media types that matter when a browser opens a resource.
enum MediaType {
    static func guess(_ name: String) -> String? {
        guard let dot = name.lastIndex(of: "."), !name[dot...].contains("/") else { return nil }
        return types[name[name.index(after: dot)...].lowercased()]
    }

    private static let types = [
        "txt": "text/plain; charset=utf-8", "md": "text/markdown; charset=utf-8", "html": "text/html; charset=utf-8",
        "css": "text/css; charset=utf-8", "csv": "text/csv; charset=utf-8", "js": "text/javascript",
        "json": "application/json", "xml": "application/xml", "yaml": "application/yaml", "yml": "application/yaml",
        "pdf": "application/pdf", "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif",
        "svg": "image/svg+xml", "webp": "image/webp", "mp4": "video/mp4", "gz": "application/gzip",
        "zip": "application/zip",
    ]
}
