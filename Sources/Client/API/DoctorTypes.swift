/// What `roost doctor` found on a host.
extension API {
    public struct Checkup: Codable, Hashable, Sendable {
        /// In the order in which they are worth reading.
        public var checks: [Check]

        public init(checks: [Check]) { self.checks = checks }

        /// Nothing fails.
        public var isWell: Bool { !checks.contains { $0.outcome == .fail } }

        enum CodingKeys: String, CodingKey { case checks }
    }

    public struct Check: Codable, Hashable, Sendable {
        public enum Outcome: String, Codable, Hashable, Sendable, CaseIterable {
            case ok, warn, fail
        }

        /// A word for programs, such as `certificate`.
        public var name: String
        public var outcome: Outcome
        /// What was found, for people.
        public var text: String
        /// What to do about it.
        public var remedy: String?

        public init(_ name: String, _ outcome: Outcome, _ text: String, remedy: String? = nil) {
            self.name = name
            self.outcome = outcome
            self.text = text
            self.remedy = remedy
        }

        enum CodingKeys: String, CodingKey { case name, outcome, text, remedy }
    }
}
