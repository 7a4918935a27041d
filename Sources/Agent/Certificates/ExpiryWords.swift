import TLS

/// What is to be said of certificates that end soon, and when it was said last.
struct ExpiryWords {
    struct Word {
        let text: String
        let life: CertificateLife
        let state: CertificateLife.State
    }

    /// By whose it is. A new certificate begins anew.
    private var said: [String: (life: CertificateLife, at: Int64)] = [:]

    mutating func due(_ credentials: Credentials, at now: Int64) -> [Word] {
        var words: [Word] = []
        let lives = [
            (
                "this node's certificate", credentials.life,
                "no member that has the CA has renewed it: issue a new one, and put it in the place of this one"
            ),
            (
                "the certificate of the CA", credentials.authorityLife,
                "change to a new one: roost ca rotate, on the host that has the CA"
            ),
        ]
        for (whose, life, remedy) in lives {
            guard let life else { continue }
            let last = said[whose].flatMap { $0.life == life ? $0.at : nil }
            guard life.isToBeSaid(at: now, last: last) else { continue }
            said[whose] = (life, now)
            let state = life.state(at: now)
            words.append(
                Word(
                    text: "\(whose) \(state == .over ? "has expired" : "expires soon"); \(remedy)", life: life,
                    state: state))
        }
        return words
    }
}
