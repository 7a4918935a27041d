import Vocabulary

/// How the text of one setting is read, what is allowed, and how its value is written back for `--help`.
struct SettingKind<Value: Sendable>: Sendable {
    /// Completes the sentence "allowed: …".
    let allowed: String
    /// Nil for anything that is not allowed.
    let parse: @Sendable (String) -> Value?
    let show: @Sendable (Value) -> String

    /// The same kind where the setting may also stay unset.
    var optional: SettingKind<Value?> {
        SettingKind<Value?>(
            allowed: allowed, parse: { text in self.parse(text).map(Optional.some) },
            show: { $0.map(self.show) ?? "" })
    }
}

extension SettingKind where Value == String {
    static let path = SettingKind(
        allowed: "a path of 1-4096 bytes",
        parse: { (1...4096).contains($0.utf8.count) && !$0.utf8.contains(0) ? $0 : nil }, show: { $0 })

    /// `sun_path` of a unix socket's address has 108 bytes, the last of them a NUL.
    static let socketPath = SettingKind(
        allowed: "a path of 1-107 bytes (the kernel's limit for a socket)",
        parse: { (1...107).contains($0.utf8.count) && !$0.utf8.contains(0) ? $0 : nil }, show: { $0 })

    static let zone = SettingKind(
        allowed: "1-63 of A-Z, a-z, 0-9, -, _ and .",
        parse: { text in
            let fits = (1...63).contains(text.utf8.count)
            let legal = text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
            return fits && legal ? text : nil
        }, show: { $0 })
}

extension SettingKind where Value == NodeName {
    static let nodeName = SettingKind(
        allowed: "a DNS label: 1-63 of a-z, 0-9 and -, with no - at either end", parse: { try? NodeName($0) },
        show: { $0.text })
}

extension SettingKind where Value == ClusterName {
    static let clusterName = SettingKind(
        allowed: "a DNS label: 1-63 of a-z, 0-9 and -, with no - at either end", parse: { try? ClusterName($0) },
        show: { $0.text })
}

extension SettingKind where Value == Endpoint {
    static let endpoint = SettingKind(
        allowed: "HOST:PORT, HOST or [IPv6]:PORT (the port is 7667 unless given)",
        parse: { try? Endpoint(parsing: $0) }, show: { $0.description })

    static let bindEndpoint = SettingKind(
        allowed: "ADDRESS:PORT or [IPv6]:PORT, with an address of this machine (the port is 7667 unless given)",
        parse: { try? Endpoint(parsing: $0) }, show: { $0.description })

    /// Metrics and health are served without a certificate, so never to another machine.
    static let loopback = SettingKind(
        allowed: "a loopback address with a port: 127.0.0.1:PORT, [::1]:PORT or localhost:PORT",
        parse: { text in
            guard let endpoint = try? Endpoint(parsing: text), text.contains(":"), text != endpoint.host else {
                return nil
            }
            return endpoint.isLoopback ? endpoint : nil
        }, show: { $0.description })
}

extension SettingKind where Value == [Endpoint] {
    static let countMax = 64

    static let endpoints = SettingKind(
        allowed: "up to \(countMax) of HOST or HOST:PORT, separated by commas",
        parse: { text in
            let parts = text.split(separator: ",").map { $0.trimmingSpaces }
            guard parts.count <= countMax else { return nil }
            var endpoints: [Endpoint] = []
            for part in parts {
                guard let endpoint = try? Endpoint(parsing: String(part)) else { return nil }
                endpoints.append(endpoint)
            }
            return endpoints
        }, show: { $0.map(\.description).joined(separator: ",") })
}

extension SettingKind where Value == Bool {
    static let boolean = SettingKind(
        allowed: "true or false",
        parse: { text in
            switch text {
            case "true", "yes", "on": true
            case "false", "no", "off": false
            default: nil
            }
        }, show: { $0 ? "true" : "false" })
}

extension SettingKind where Value: FixedWidthInteger {
    static func integer(_ range: ClosedRange<Value>) -> SettingKind {
        SettingKind(
            allowed: "a whole number from \(range.lowerBound) to \(range.upperBound)",
            parse: { text in Value(text).flatMap { range.contains($0) ? $0 : nil } }, show: { String($0) })
    }
}

extension SettingKind where Value == Int {
    static func size(_ range: ClosedRange<Int>) -> SettingKind {
        SettingKind(
            allowed: "a size from \(ByteCountText.show(range.lowerBound)) to \(ByteCountText.show(range.upperBound)),"
                + " such as 512MiB or 1GiB",
            parse: { text in ByteCountText.parse(text).flatMap { range.contains($0) ? $0 : nil } },
            show: { ByteCountText.show($0) })
    }
}

extension SettingKind where Value == Duration {
    static func duration(_ range: ClosedRange<Duration>) -> SettingKind {
        SettingKind(
            allowed: "a time from \(DurationText.show(range.lowerBound)) to \(DurationText.show(range.upperBound)),"
                + " such as 500ms, 30s, 2m or 1h",
            parse: { text in DurationText.parse(text).flatMap { range.contains($0) ? $0 : nil } },
            show: { DurationText.show($0) })
    }
}

extension SettingKind where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    static var choice: SettingKind {
        SettingKind(
            allowed: "one of " + Value.allCases.map(\.rawValue).joined(separator: ", "),
            parse: { Value(rawValue: $0) }, show: { $0.rawValue })
    }
}

extension Endpoint {
    var isLoopback: Bool {
        if host == "localhost" || host == "::1" { return true }
        let octets = host.split(separator: ".", omittingEmptySubsequences: false)
        return octets.count == 4 && octets[0] == "127" && octets.allSatisfy { UInt8($0) != nil }
    }
}

extension StringProtocol {
    var trimmingSpaces: SubSequence {
        var rest = self[...]
        while let first = rest.first, first == " " || first == "\t" { rest = rest.dropFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest = rest.dropLast() }
        return rest
    }
}
