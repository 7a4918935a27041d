import Foundation
import TLS
import Testing
import Vocabulary

@testable import Authority

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite("What the CA refuses")
struct RefusalTests {
    let folder: TemporaryFolder
    let authority: CertificateAuthority

    init() throws {
        folder = try TemporaryFolder()
        authority = try .create(folder: folder("ca"), cluster: ClusterName("savanna"))
    }

    @Test("a second CA in the same folder is refused and the first stays as it was")
    func secondAuthority() throws {
        let before = try bytes(of: folder("ca/ca.key.pem"))
        #expect(throws: AuthorityError.exists(path: folder("ca/ca.key.pem"))) {
            try CertificateAuthority.create(folder: folder("ca"), cluster: ClusterName("serengeti"))
        }
        #expect(try bytes(of: folder("ca/ca.key.pem")) == before)
        #expect(try CertificateAuthority.open(folder: folder("ca")).cluster == ClusterName("savanna"))
    }

    @Test("no file is overwritten, a dangling link included", arguments: ["key.pem", "cert.pem", "ca.pem"])
    func overwriting(name: String) throws {
        mkdir(folder("out"), 0o755)
        symlink("/nowhere", folder("out/\(name)"))
        let error = #expect(throws: AuthorityError.self) {
            try authority.issue(role: .node, name: NodeName("simba"), into: folder("out"))
        }
        #expect(error == .exists(path: folder("out/\(name)")))
        #expect(error?.description.contains("choose another folder") == true)
        #expect(try names(in: folder("out")) == [name])
        #expect(try authority.issued().isEmpty)
    }

    @Test("an existing folder without those files is used, and keeps its mode and its other files")
    func existingFolder() throws {
        mkdir(folder("out"), 0o755)
        chmod(folder("out"), 0o750)
        try write(Array("mine".utf8), to: folder("out/notes.txt"))
        _ = try authority.issue(role: .node, name: NodeName("simba"), into: folder("out"))
        #expect(try mode(of: folder("out")) == 0o750)
        #expect(try names(in: folder("out")) == ["ca.pem", "cert.pem", "key.pem", "notes.txt"])
    }

    @Test("a path through a file is refused with the cause, and leaves nothing")
    func pathThroughAFile() throws {
        let path = folder("ca/ca.pem/x/y")
        let error = #expect(throws: AuthorityError.self) {
            try authority.issue(role: .node, name: NodeName("simba"), into: path)
        }
        #expect(error?.description.contains("is a file, not a folder") == true, "\(String(describing: error))")
        #expect(try authority.issued().isEmpty)
    }

    @Test("a folder where nothing can be written gives a typed error and leaves nothing")
    func unwritable() throws {
        // /proc refuses new entries to every user, the superuser included.
        let error = #expect(throws: AuthorityError.self) {
            try authority.issue(role: .node, name: NodeName("simba"), into: "/proc/roost-certs")
        }
        guard case .cannotWrite(path: "/proc/roost-certs", _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(try authority.issued().isEmpty)
        #expect(try bytes(of: folder("ca/issued.log")).isEmpty)
    }

    @Test("a failure at the last file takes the first ones and the new folders back")
    func rollback() throws {
        let files = NewFiles(
            folder: folder("new/certs"),
            items: [
                .init(name: "key.pem", bytes: [1], mode: 0o600), .init(name: "missing/ca.pem", bytes: [2], mode: 0o644),
            ])
        let error = #expect(throws: AuthorityError.self) { try files.write() }
        #expect(error == .cannotWrite(path: folder("new/certs/missing/ca.pem"), reason: .init(errno: ENOENT)))
        #expect(try names(in: folder.path) == ["ca"])
    }

    @Test("a full disk gives a typed error and leaves nothing", .enabled(if: Tmpfs.isPossible))
    func fullDisk() throws {
        // A file system with room for the folder and two files: the third is refused.
        let disk = try Tmpfs(at: folder("disk"), options: "size=64k,nr_inodes=4")
        defer { disk.unmount() }
        let error = #expect(throws: AuthorityError.self) {
            try authority.issue(role: .node, name: NodeName("simba"), into: folder("disk/simba"))
        }
        #expect(error == .cannotWrite(path: folder("disk/simba/ca.pem"), reason: .init(errno: ENOSPC)))
        #expect(error?.description.contains("free some space") == true)
        #expect(try names(in: folder("disk")).isEmpty)
        #expect(try authority.issued().isEmpty)
        // And one with room for names, but not for the bytes of the second file.
        let full = try Tmpfs(at: folder("full"), options: "size=4k,nr_inodes=40")
        defer { full.unmount() }
        #expect(throws: AuthorityError.cannotWrite(path: folder("full/ca/ca.pem"), reason: .init(errno: ENOSPC))) {
            try CertificateAuthority.create(folder: folder("full/ca"), cluster: ClusterName("savanna"))
        }
        #expect(try names(in: folder("full")).isEmpty)
    }

    @Test(
        "names that are no DNS label are refused before anything is written",
        arguments: [
            "", "-simba", "simba-", "SIMBA", "sim ba", "a/b", "..", "simba,DNS:evil", String(repeating: "a", count: 64),
        ])
    func badNames(text: String) throws {
        #expect(throws: NameError.self) { try NodeName(text) }
        #expect(throws: NameError.self) { try ClusterName(text) }
    }

    @Test("addresses and host names that could say more than themselves are refused")
    func badAddresses() throws {
        for text in ["10.0.0", "10.0.0.7:80", "fd00::7,URI:roost://savanna/admin/x", "", "localhost"] {
            #expect(throws: AuthorityError.self, "\(text)") {
                try authority.issue(role: .node, name: NodeName("simba"), ips: [text], into: folder("out"))
            }
        }
        for text in ["", "a..b", "*.example.org", "x,URI:roost://savanna/admin/x", "a b", ".", "é.org"] {
            #expect(throws: AuthorityError.self, "\(text)") {
                try authority.issue(role: .node, name: NodeName("simba"), dns: [text], into: folder("out"))
            }
        }
        let many = (0..<65).map { "10.0.0.\($0)" }
        #expect(throws: AuthorityError.tooManyAddresses(count: 65, max: 64)) {
            try authority.issue(role: .node, name: NodeName("simba"), ips: many, into: folder("out"))
        }
        #expect(try names(in: folder.path) == ["ca"])
    }

    @Test("a validity of nothing or of centuries is refused", arguments: [0, -1, 36_501 * 86_400])
    func badValidity(seconds: Int) throws {
        #expect(throws: AuthorityError.self) {
            try authority.issue(
                role: .node, name: NodeName("simba"), validity: .seconds(seconds), into: folder("out"))
        }
        #expect(try names(in: folder.path) == ["ca"])
    }

    @Test("a folder without a CA is named with the command that makes one")
    func noAuthority() throws {
        let error = #expect(throws: AuthorityError.self) { try CertificateAuthority.open(folder: folder("none")) }
        #expect(error == .noAuthority(folder: folder("none")))
        #expect(error?.description.contains("roost ca init") == true)
    }

    @Test("a CA key that others may read is refused with the command that helps")
    func exposedKey() throws {
        chmod(folder("ca/ca.key.pem"), 0o644)
        let error = #expect(throws: AuthorityError.self) { try CertificateAuthority.open(folder: folder("ca")) }
        #expect(error == .exposedKey(path: folder("ca/ca.key.pem"), mode: 0o644))
        #expect(error?.description.contains("chmod 600") == true)
    }

    @Test("what is no CA, or not this key's, is refused with its file")
    func notAnAuthority() throws {
        // A leaf in the place of the CA.
        _ = try authority.issue(role: .node, name: NodeName("simba"), into: folder("simba"))
        mkdir(folder("fake"), 0o700)
        try write(bytes(of: folder("simba/cert.pem")), to: folder("fake/ca.pem"))
        try write(bytes(of: folder("simba/key.pem")), to: folder("fake/ca.key.pem"))
        chmod(folder("fake/ca.key.pem"), 0o600)
        #expect(refusal(of: "fake")?.contains("it is not the certificate of a CA") == true)
        // Another CA's key.
        _ = try CertificateAuthority.create(folder: folder("other"), cluster: ClusterName("savanna"))
        try write(bytes(of: folder("ca/ca.pem")), to: folder("fake/ca.pem"))
        try write(bytes(of: folder("other/ca.key.pem")), to: folder("fake/ca.key.pem"))
        #expect(refusal(of: "fake")?.contains("it is not the key of ca.pem") == true)
        // No PEM at all.
        try write(Array("hello".utf8), to: folder("fake/ca.pem"))
        #expect(refusal(of: "fake")?.contains("not a certificate in PEM form") == true)
        // A key with a pass phrase does not make the program ask for one.
        try write(bytes(of: folder("ca/ca.pem")), to: folder("fake/ca.pem"))
        let encrypted = try openssl(
            "pkey", "-in", folder("ca/ca.key.pem"), "-aes256", "-passout", "pass:secret", "-out",
            folder("fake/ca.key.pem"))
        #expect(encrypted.status == 0)
        #expect(refusal(of: "fake")?.contains("pass phrase") == true)
    }

    private func refusal(of name: String) -> String? {
        do {
            _ = try CertificateAuthority.open(folder: folder(name))
            return nil
        } catch {
            return error.description
        }
    }
}
