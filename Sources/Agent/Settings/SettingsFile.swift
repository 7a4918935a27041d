import CYaml
import FoundationEssentials
import Vocabulary
import Yams

/// Reads a YAML file into pairs of key and text. Both `peers: {max: 4}` and `peers.max: 4` mean the key `peers.max`.
struct SettingsFile {
    /// In the order of the file.
    private(set) var pairs: [(key: String, value: String)] = []
    /// Keys with nothing after them, which leave the default: they must be known all the same.
    private(set) var empty: [String] = []

    /// A configuration has some thirty lines, and a thousand tags at the most; the bounds stop a wrong file, or an alias
    /// that multiplies itself.
    static let bytesMax = 256 * 1024
    static let pairsMax = 1_280
    static let depthMax = 4
    /// What the parser takes at all: it compares the keys of each map with all that is in them, so a map as a key costs its
    /// size once for each level above it. A list at the full depth needs one more.
    private static let nestingMax: Int32 = 8
    /// `*name`, wherever it stands. The parser copies what an alias stands for into each place without a cost, and then
    /// compares keys that are as large as they look: with eight they multiply a file by no more than twenty.
    static let aliasesMax = 8

    init(path: String) throws(SettingsError) {
        guard let text = try Self.text(of: path) else { throw .unreadable(path: path, reason: BoundedFile.missing) }
        try self.init(yaml: text, path: path)
    }

    /// - Returns: nil where there is no such file.
    static func text(of path: String) throws(SettingsError) -> String? {
        let data: Data
        do {
            data = try BoundedFile.read(path, bytesMax: Self.bytesMax)
        } catch {
            guard error.reason != BoundedFile.missing else { return nil }
            throw .unreadable(path: path, reason: error.reason)
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw .notYAML(path: path, reason: "it is not UTF-8 text")
        }
        return text
    }

    init(yaml: String, path: String) throws(SettingsError) {
        guard Self.aliases(in: yaml) <= Self.aliasesMax else {
            throw .notYAML(
                path: path,
                reason: "it has more than \(Self.aliasesMax) aliases (*name); write what they stand for in their place")
        }
        yaml_set_max_nest_level(Self.nestingMax)
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch {
            throw .notYAML(path: path, reason: "\(error)")
        }
        if let root, !Self.isNull(root) {
            guard case .mapping = root else {
                throw .notYAML(path: path, reason: "expected KEY: VALUE lines at the top level")
            }
            try collect(root, prefix: "", depth: 0, path: path)
        }
    }

    private mutating func collect(
        _ node: Node, prefix: String, depth: Int, path: String
    ) throws(SettingsError) {
        guard pairs.count + empty.count < Self.pairsMax, depth < Self.depthMax else {
            throw .notYAML(path: path, reason: "it has too many keys, or keys nested too deeply")
        }
        switch node {
        case .mapping(let mapping):
            if mapping.isEmpty, !prefix.isEmpty { empty.append(prefix) }
            for (key, value) in mapping {
                guard let name = key.scalar?.string else {
                    throw .notYAML(path: path, reason: "a key under \"\(prefix)\" is not a word")
                }
                let full = prefix.isEmpty ? name : prefix + "." + name
                try collect(value, prefix: full, depth: depth + 1, path: path)
            }
        case .scalar(let scalar):
            if Self.isNull(node) { empty.append(prefix) } else { pairs.append((prefix, scalar.string)) }
        case .sequence(let sequence):
            var elements: [String] = []
            for element in sequence {
                guard let text = element.scalar?.string, !text.contains(",") else {
                    throw .notYAML(path: path, reason: "the list \"\(prefix)\" has an element that is not one word")
                }
                elements.append(text)
            }
            let allowed = Setting.tag(prefix).map { _ in TagsError.valueRule } ?? Setting.byKey[prefix]?.notList
            if let allowed {
                throw .badValue(
                    key: prefix, value: "[\(elements.joined(separator: ", "))]", source: .file(path), allowed: allowed)
            }
            pairs.append((prefix, elements.joined(separator: ",")))
        case .alias:
            throw .notYAML(path: path, reason: "\"\(prefix)\" is an alias of nothing")
        }
    }

    /// No fewer than there are; a `*` in a comment or in quotes may count, too.
    private static func aliases(in text: String) -> Int {
        func isOfName(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        let bytes = text.utf8
        return zip(bytes, bytes.dropFirst()).count { $0 == UInt8(ascii: "*") && isOfName($1) }
    }

    private static func isNull(_ node: Node) -> Bool {
        guard case .scalar(let scalar) = node, scalar.style == .plain || scalar.style == .any else { return false }
        return ["", "~", "null"].contains(scalar.string)
    }
}
