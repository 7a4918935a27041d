// Certificates for tests, right and odd ones, made by the `openssl` command line: what this module must judge is
// thereby not made by this module.
import Foundation
import Testing
import Vocabulary

@testable import TLS

/// A CA in a temporary folder that goes with it.
final class TestAuthority: Sendable {
    let folder: String

    init(commonName: String = "Roost test CA", days: Int = 30, constraints: String? = nil) throws {
        folder = FileManager.default.temporaryDirectory.path + "/roost-tls-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try write("", to: "index.txt")
        try write(
            """
            [ca]
            default_ca = test
            [test]
            database = \(folder)/index.txt
            new_certs_dir = \(folder)
            rand_serial = yes
            unique_subject = no
            certificate = \(folder)/ca.pem
            private_key = \(folder)/ca.key
            default_md = sha256
            policy = anything
            [anything]
            commonName = supplied
            [req]
            distinguished_name = anything_asked
            [anything_asked]
            """, to: "ca.cnf")
        try openssl(
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "\(days)",
                "-config", folder + "/ca.cnf", "-subj", "/CN=\(commonName)", "-keyout", folder + "/ca.key",
                "-out", folder + "/ca.pem", "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-addext", "subjectKeyIdentifier=hash",
            ] + (constraints.map { ["-addext", "nameConstraints=\($0)"] } ?? []))
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// A folder with `ca.pem` (of `trusting`, by default this CA), `cert.pem` and `key.pem`.
    func issue(
        _ uris: [String], usage: String? = "serverAuth,clientAuth", from start: TimeInterval = -3_600,
        until end: TimeInterval = 86_400, trusting authority: TestAuthority? = nil, subject: String = "/CN=leaf",
        extensions more: String = "", key: [String] = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    ) throws -> String {
        let target = folder + "/\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
        var extensions = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        if let usage { extensions += "extendedKeyUsage=\(usage)\n" }
        let names = uris.map { "URI:\($0)" } + ["DNS:localhost"]
        extensions += "subjectAltName=\(names.joined(separator: ","))\n\(more)\n"
        try extensions.write(toFile: target + "/ext", atomically: true, encoding: .utf8)
        try openssl(
            ["req", "-newkey"] + key + [
                "-nodes", "-config", folder + "/ca.cnf", "-subj", subject, "-keyout", target + "/key.pem",
                "-out", target + "/csr.pem",
            ])
        try openssl([
            "ca", "-batch", "-notext", "-config", folder + "/ca.cnf", "-in", target + "/csr.pem",
            "-out", target + "/cert.pem", "-extfile", target + "/ext",
            "-startdate", Self.asn1(Date(timeIntervalSinceNow: start)),
            "-enddate", Self.asn1(Date(timeIntervalSinceNow: end)),
        ])
        try FileManager.default.copyItem(atPath: (authority ?? self).folder + "/ca.pem", toPath: target + "/ca.pem")
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: target + "/key.pem")
        return target
    }

    /// The context of a good certificate.
    func context(_ uri: String) throws -> TLSContext {
        try TLSContext(credentials: Credentials(folder: issue([uri])))
    }

    /// The context of any certificate, also of one that its holder would refuse to start with.
    static func context(odd folder: String, as uri: String) throws -> TLSContext {
        try TLSContext(credentials: Credentials(unverified: folder, as: CertificateName(uri: uri)))
    }

    private func write(_ text: String, to file: String) throws {
        try text.write(toFile: folder + "/" + file, atomically: true, encoding: .utf8)
    }

    private static func asn1(_ date: Date) -> String {
        var seconds = time_t(date.timeIntervalSince1970)
        var calendar = tm()
        gmtime_r(&seconds, &calendar)
        return String(
            format: "%04d%02d%02d%02d%02d%02dZ", calendar.tm_year + 1_900, calendar.tm_mon + 1, calendar.tm_mday,
            calendar.tm_hour, calendar.tm_min, calendar.tm_sec)
    }
}

struct CommandFailed: Error, CustomStringConvertible {
    let description: String
}

/// Runs `openssl` to its end, or for at most `seconds`.
@discardableResult
func openssl(_ arguments: [String], input: String? = nil, seconds: TimeInterval = 30, mayFail: Bool = false) throws
    -> String
{
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    let source = Pipe()
    process.standardInput = source
    try process.run()
    if let input { source.fileHandleForWriting.write(Data(input.utf8)) }
    try source.fileHandleForWriting.close()
    let watchdog = DispatchWorkItem { process.terminate() }
    DispatchQueue.global().asyncAfter(deadline: .now() + seconds, execute: watchdog)
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    watchdog.cancel()
    guard mayFail || process.terminationStatus == 0 else {
        throw CommandFailed(description: "openssl \(arguments.joined(separator: " ")): \(text)")
    }
    return text
}
