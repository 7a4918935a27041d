import Foundation

/// The checkout that this test was built from.
enum PackageTree {
    static let root: URL = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static let textSuffixes: Set<String> = [
        "swift", "md", "h", "c", "modulemap", "txt", "yaml", "yml", "json", "cnf", "service", "pem", "key", "sh", "",
    ]
    /// What builds and runs leave behind.
    private static let ignored: Set<String> = [".git", "results", "Package.resolved", ".swiftpm"]

    /// Paths relative to the root, in order.
    static func files(under folder: String = "") throws -> [String] {
        let base = folder.isEmpty ? root : root.appending(path: folder)
        var found: [String] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: base.path).sorted() {
            if folder.isEmpty, ignored.contains(name) || name.hasPrefix(".build") { continue }
            let path = folder.isEmpty ? name : folder + "/" + name
            let type = try FileManager.default.attributesOfItem(atPath: root.appending(path: path).path)[.type]
            switch type as? FileAttributeType {
            case .typeDirectory: found += try files(under: path)
            case .typeRegular where textSuffixes.contains((name as NSString).pathExtension): found.append(path)
            default: continue
            }
        }
        return found
    }

    static func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: root.appending(path: path)), as: UTF8.self)
    }

    static func swiftSources() throws -> [SourceText] {
        try files(under: "Sources").filter { $0.hasSuffix(".swift") }.map { path in
            SourceText(
                target: path.split(separator: "/").dropFirst().first.map(String.init) ?? "", path: path,
                text: try text(path))
        }
    }
}
