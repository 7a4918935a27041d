// What the coverage-guided fuzzer feeds, one file a subject. The same functions run every input of Tests/Corpus with the
// other tests, without libFuzzer.

/// One reader of bytes that strangers, members or the disk bring, and the laws that hold whatever they bring.
protocol Subject {
    init() throws

    /// - Throws: `BrokenLaw`. What the bytes are refused with is no failure; a trap or an endless loop is.
    func run(_ input: [UInt8]) throws

    /// Inputs made of real values by the encoders that the agent uses: where the fuzzer begins.
    func seeds() throws -> [[UInt8]]
}

/// By the names of the folders in Tests/Corpus.
enum Subjects: String, CaseIterable {
    case datagram, tls, enrolment, http, settings, catalogue, messages

    func make() throws -> any Subject {
        switch self {
        case .datagram: try DatagramSubject()
        case .tls: try TLSSubject()
        case .enrolment: try EnrolmentSubject()
        case .http: try HTTPSubject()
        case .settings: SettingsSubject()
        case .catalogue: CatalogueSubject()
        case .messages: try MessagesSubject()
        }
    }
}

struct BrokenLaw: Error, CustomStringConvertible {
    let description: String

    init(_ law: String, _ found: String) { description = "\(law), but: \(found)" }
}

func demand(_ holds: Bool, _ law: String, _ found: @autoclosure () -> String = "it is not so") throws(BrokenLaw) {
    guard holds else { throw BrokenLaw(law, found()) }
}
