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

@Suite("After a kill or a power cut at any instant")
struct InterruptedTests {
    let folder: TemporaryFolder
    let authority: CertificateAuthority

    init() throws {
        folder = try TemporaryFolder()
        authority = try .create(folder: folder("ca"), cluster: ClusterName("savanna"))
    }

    @Test("half a new folder has no name yet, and the next attempt removes it")
    func newFolder() throws {
        mkdir(folder(".simba.roost-new"), 0o700)
        try write(Array("half a key".utf8), to: folder(".simba.roost-new/key.pem"))
        try write([], to: folder(".simba.roost-new/ca.key.pem"))
        _ = try authority.issue(role: .node, name: NodeName("simba"), into: folder("simba"))
        #expect(try names(in: folder("simba")) == ["ca.pem", "cert.pem", "key.pem"])
        #expect(try names(in: folder.path) == ["ca", "simba"])
        _ = try Credentials(folder: folder("simba"))
    }

    @Test("the same for a CA")
    func newAuthority() throws {
        mkdir(folder(".ca2.roost-new"), 0o700)
        try write(Array("half a key".utf8), to: folder(".ca2.roost-new/ca.key.pem"))
        _ = try CertificateAuthority.create(folder: folder("ca2"), cluster: ClusterName("savanna"))
        _ = try CertificateAuthority.open(folder: folder("ca2"))
        #expect(try names(in: folder.path) == ["ca", "ca2"])
    }

    @Test("a folder that another user or a link prepared under that name is not written to")
    func prepared() throws {
        mkdir(folder("trap"), 0o700)
        symlink(folder("trap"), folder(".simba.roost-new"))
        #expect(throws: AuthorityError.self) {
            try authority.issue(role: .node, name: NodeName("simba"), into: folder("simba"))
        }
        unlink(folder(".simba.roost-new"))
        mkdir(folder(".simba.roost-new"), 0o700)
        chmod(folder(".simba.roost-new"), 0o777)
        #expect(throws: AuthorityError.exists(path: folder(".simba.roost-new"))) {
            try authority.issue(role: .node, name: NodeName("simba"), into: folder("simba"))
        }
        #expect(try names(in: folder("trap")).isEmpty)
        #expect(try authority.issued().isEmpty)
    }

    @Test("while another process writes the folder, this one says so and changes nothing")
    func locked() throws {
        mkdir(folder(".simba.roost-new"), 0o700)
        let lock = try DurableFiles.lock(folder: folder(".simba.roost-new"), shown: "")
        defer { close(lock) }
        #expect(throws: AuthorityError.busy(path: folder("simba"))) {
            try authority.issue(role: .node, name: NodeName("simba"), into: folder("simba"))
        }
        #expect(try names(in: folder.path) == [".simba.roost-new", "ca"])
    }

    @Test("in a folder that was there, what was cut off before the first name is removed")
    func beforeTheNames() throws {
        mkdir(folder("simba"), 0o700)
        try write(Array("half a key".utf8), to: folder("simba/.key.pem.roost-new"))
        _ = try authority.issue(role: .node, name: NodeName("simba"), into: folder("simba"))
        #expect(try names(in: folder("simba")) == ["ca.pem", "cert.pem", "key.pem"])
        _ = try Credentials(folder: folder("simba"))
    }

    @Test("what was cut off between two names is named, with what to remove")
    func betweenTheNames() throws {
        mkdir(folder("simba"), 0o700)
        for name in ["key.pem", ".cert.pem.roost-new", ".ca.pem.roost-new"] {
            try write([1], to: folder("simba/\(name)"))
        }
        let left = ["key.pem", ".cert.pem.roost-new", ".ca.pem.roost-new"]
        let error = #expect(throws: AuthorityError.incomplete(folder: folder("simba"), files: left)) {
            try authority.issue(role: .node, name: NodeName("simba"), into: folder("simba"))
        }
        #expect(error?.description.contains("remove key.pem, .cert.pem.roost-new, .ca.pem.roost-new") == true)
        #expect(try names(in: folder("simba")).count == 3)
        // The advice is good.
        for name in left { unlink(folder("simba/\(name)")) }
        _ = try authority.issue(role: .node, name: NodeName("simba"), into: folder("simba"))
    }

    @Test("a name that is taken in the last moment stays what it was, and the others are taken back")
    func takenMeanwhile() throws {
        try write([1], to: folder("a"))
        try write([2], to: folder("b"))
        #expect(throws: AuthorityError.exists(path: folder("b"))) {
            try DurableFiles.place(folder("a"), as: folder("b"))
        }
        #expect(try bytes(of: folder("b")) == [2])
        try DurableFiles.place(folder("a"), as: folder("c"))
        #expect(try bytes(of: folder("c")) == [1])
        #expect(try names(in: folder.path) == ["b", "c", "ca"])
    }
}
