/// What every refusal carries: `{"error":{"code":…,"message":…,"hint":…}}`.
extension API {
    public struct ErrorBody: Codable, Hashable, Sendable, Error {
        public struct Problem: Codable, Hashable, Sendable {
            /// A word for programs, such as `not_found`.
            public var code: String
            /// What was wrong, for people.
            public var message: String
            /// What to do next.
            public var hint: String?

            public init(code: String, message: String, hint: String? = nil) {
                self.code = code
                self.message = message
                self.hint = hint
            }

            enum CodingKeys: String, CodingKey { case code, message, hint }
        }

        public var error: Problem

        /// Of a node that is stopping, or that does not know itself, whether it made a write: it may have taken place. Any
        /// other 503 says that it has not and will not.
        public static let ofUnknownOutcome: Set<String> = [stoppingCode, unknownOutcomeCode]
        /// Of a node that may take the write, and can not judge it: too few of those who know the name answer. None of them
        /// will answer another one sooner.
        public static let undecidedCode = "undecided"
        public static let stoppingCode = "stopping"
        public static let unknownOutcomeCode = "outcome_unknown"

        public init(code: String, message: String, hint: String? = nil) {
            error = Problem(code: code, message: message, hint: hint)
        }

        enum CodingKeys: String, CodingKey { case error }
    }
}
