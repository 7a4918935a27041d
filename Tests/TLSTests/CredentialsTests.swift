import Authority
import Foundation
import Testing
import Vocabulary

@testable import TLS

/// A folder of credentials is judged at start, and the message names the file.
struct CredentialsTests {
    let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    private func fault(_ folder: String) -> (file: String, fault: CredentialsFault)? {
        do throws(TLSError) {
            _ = try Credentials(folder: folder)
            return nil
        } catch {
            guard case .credentials(let file, let fault) = error else { return nil }
            return (file.replacingOccurrences(of: folder + "/", with: ""), fault)
        }
    }

    @Test("a good folder gives name, validity and no warning")
    func good() throws {
        let folder = try authority.issue(["roost://pride/admin/okello"])
        let credentials = try Credentials(folder: folder + "/")
        #expect(credentials.name.uri == "roost://pride/admin/okello")
        #expect(credentials.notAfter - credentials.notBefore == 90_000)
        #expect(credentials.warnings.isEmpty)
        #expect(!credentials.serial.isEmpty)
    }

    @Test("a key that others may read is a warning, not an error")
    func openKey() throws {
        let folder = try authority.issue(["roost://pride/node/simba"])
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: folder + "/key.pem")
        let warnings = try Credentials(folder: folder).warnings
        #expect(warnings.count == 1)
        #expect(warnings.first?.contains("mode 0644") == true)
    }

    @Test("a key that was handed over is used where it is the certificate's, and named where none is")
    func handedKeys() throws {
        let folder = try authority.issue(["roost://pride/node/simba"])
        let other = try authority.issue(["roost://pride/node/simba"])
        let (own, handed, foreign) = (folder + "/key.pem", folder + "/handed.pem", other + "/key.pem")
        // Beside a foreign one the folder's own counts, and the other way round.
        #expect(try Credentials(folder: folder, handedKeys: [foreign]).name.name.text == "simba")
        try FileManager.default.moveItem(atPath: own, toPath: handed)
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: handed)
        let credentials = try Credentials(folder: folder, handedKeys: [foreign, handed])
        #expect(credentials.warnings.isEmpty)
        #expect(throws: TLSError.credentials(file: foreign, .keyMismatch)) {
            try Credentials(folder: folder, handedKeys: [foreign])
        }
        #expect(throws: TLSError.credentials(file: own, .unreadable("No such file or directory"))) {
            try Credentials(folder: folder, handedKeys: [])
        }
    }

    @Test("a missing, empty or garbled file is named", arguments: ["ca.pem", "cert.pem", "key.pem"])
    func broken(file: String) throws {
        let folder = try authority.issue(["roost://pride/node/simba"])
        let expected = file == "key.pem" ? "private key" : "certificate"
        for text in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            try text.write(toFile: folder + "/" + file, atomically: true, encoding: .utf8)
            let found = try #require(fault(folder))
            #expect(found.file == file)
            guard case .malformed(expected, _) = found.fault else {
                Issue.record("\(found.fault)")
                continue
            }
        }
        try FileManager.default.removeItem(atPath: folder + "/" + file)
        let found = try #require(fault(folder))
        #expect(found.file == file)
        #expect(found.fault == .unreadable("No such file or directory"))
    }

    @Test("a damaged certificate behind a good one is not passed over", arguments: ["ca.pem", "cert.pem"])
    func damagedBlock(file: String) throws {
        let folder = try authority.issue(["roost://pride/node/simba"])
        let path = folder + "/" + file
        let good = try String(contentsOfFile: path, encoding: .utf8)
        let damaged = ["AAAA\n-----END CERTIFICATE-----\n", "AAAA\n", "%%%%\n-----END CERTIFICATE-----\n"]
        for rest in damaged {
            try (good + "-----BEGIN CERTIFICATE-----\n" + rest).write(toFile: path, atomically: true, encoding: .utf8)
            let found = try #require(fault(folder), "\(rest)")
            #expect(found.file == file)
            guard case .malformedBlock(number: 2, let faults) = found.fault else {
                Issue.record("\(found.fault)")
                continue
            }
            #expect(!faults.isEmpty)
        }
        // Text between and behind is a comment.
        try ("# simba\n" + good + "\n# end\n").write(toFile: path, atomically: true, encoding: .utf8)
        #expect(fault(folder) == nil)
    }

    @Test("certificates past the bound are an error, not passed over")
    func tooMany() throws {
        let folder = try authority.issue(["roost://pride/node/simba"])
        let one = try String(contentsOfFile: folder + "/ca.pem", encoding: .utf8)
        for (count, expected) in [(64, nil), (65, CredentialsFault.tooManyCertificates(max: 64))] {
            try String(repeating: one, count: count)
                .write(toFile: folder + "/ca.pem", atomically: true, encoding: .utf8)
            #expect(fault(folder)?.fault == expected)
        }
    }

    @Test("a pipe or a folder in the place of a file is named, and nobody waits for it")
    func noFile() throws {
        let folder = try authority.issue(["roost://pride/node/simba"])
        try FileManager.default.removeItem(atPath: folder + "/key.pem")
        try #require(mkfifo(folder + "/key.pem", 0o600) == 0)
        #expect(fault(folder)?.file == "key.pem")
        #expect(fault(folder)?.fault == .notAFile)
        try FileManager.default.removeItem(atPath: folder + "/key.pem")
        try FileManager.default.createDirectory(atPath: folder + "/key.pem", withIntermediateDirectories: false)
        #expect(fault(folder)?.fault == .notAFile)
    }

    @Test("an expired CA is named as such: a new certificate of it would be worth nothing")
    func expiredAuthority() throws {
        let past = Timestamp.now - 2 * 86_400
        let old = try CertificateAuthority.create(
            folder: authority.folder + "/old", cluster: ClusterName("pride"), validity: .seconds(86_400), now: past)
        let folder = authority.folder + "/simba"
        _ = try old.issue(role: .node, name: NodeName("simba"), now: past, into: folder)
        let found = try #require(fault(folder))
        #expect(found.file == "ca.pem")
        guard case .certificate(.authorityExpired(_, at: old.notAfter)) = found.fault else {
            Issue.record("\(found.fault)")
            return
        }
        #expect(found.fault.description.contains("create a new CA"))
    }

    @Test("a file past its bound is not read whole")
    func tooLarge() throws {
        let folder = try authority.issue(["roost://pride/node/simba"])
        try Data(count: PEMFile.bytesMax + 1).write(to: URL(fileURLWithPath: folder + "/ca.pem"))
        #expect(fault(folder)?.fault == .tooLarge(limitBytes: PEMFile.bytesMax))
    }

    @Test("the key of another certificate, and one with a passphrase, are told apart without asking anyone")
    func keys() throws {
        let folder = try authority.issue(["roost://pride/node/simba"])
        let other = try authority.issue(["roost://pride/node/simba"])
        try openssl([
            "ec", "-in", other + "/key.pem", "-aes256", "-passout", "pass:simba", "-out", folder + "/key.pem",
        ])
        #expect(fault(folder)?.fault == .encryptedKey)
        try FileManager.default.removeItem(atPath: folder + "/key.pem")
        try FileManager.default.copyItem(atPath: other + "/key.pem", toPath: folder + "/key.pem")
        let found = try #require(fault(folder))
        #expect(found.file == "key.pem")
        #expect(found.fault == .keyMismatch)
    }

    @Test("a certificate that no peer would take is refused at home, with the reason")
    func certificates() throws {
        let foreign = try TestAuthority(commonName: "Foreign CA")
        let name = ["roost://pride/node/simba"]
        #expect(
            fault(try foreign.issue(name, trusting: authority))?.fault
                == .certificate(.untrusted(issuer: "\"/CN=Foreign CA\"")))
        guard case .certificate(.expired(let at)) = fault(try authority.issue(name, from: -20, until: -10))?.fault
        else {
            Issue.record("an expired certificate was taken")
            return
        }
        #expect(abs(at - (Int64(Date().timeIntervalSince1970) - 10)) < 60)
        guard case .certificate(.notYetValid) = fault(try authority.issue(name, from: 100, until: 200))?.fault else {
            Issue.record("a certificate of the future was taken")
            return
        }
        #expect(fault(try authority.issue([]))?.fault == .certificate(.noName))
        #expect(fault(try authority.issue(name + name))?.fault == .certificate(.severalNames(name + name)))
        #expect(fault(try authority.issue(name, usage: "clientAuth"))?.fault == .certificate(.wrongPurpose))
        #expect(fault(try authority.issue(["roost://pride/reader/a"], usage: "clientAuth")) == nil)
    }

    @Test(
        "times are written as RFC 3339",
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"), (253_402_300_799, "9999-12-31T23:59:59Z"),
        ])
    func times(seconds: Int64, text: String) {
        #expect(RFC3339.text(seconds) == text)
    }
}
