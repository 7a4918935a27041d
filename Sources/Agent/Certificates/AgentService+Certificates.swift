import Client
import Logging
import Node
import SWIM
import TLS
import Vocabulary

// The life of this node's certificates while it runs: new ones are taken up as their files change, and an end that comes
// near is told, in time.

extension AgentService {
    /// A renewal is in use 5 to 10 s after its last file was written; three `stat` each time are nothing.
    private static let filesInterval = Duration.seconds(5)

    func watchCertificates() async {
        var files = CertificateFiles(folder: core.settings.certificatesFolder)
        var said = ExpiryWords()
        while !Task.isCancelled {
            if files.look() { takeCertificates(askedFor: false) }
            let credentials = core.credentials.context.credentials
            for word in said.due(credentials, at: WallClock.seconds) {
                core.log.log(
                    level: word.state == .over ? .error : .warning, "\(word.text)",
                    metadata: [
                        "expires": "\(API.Timestamp.text(unixSeconds: word.life.notAfter))",
                        "left": "\(max(0, word.life.secondsLeft(at: WallClock.seconds)))s",
                    ])
            }
            do { try await Task.sleep(for: Self.filesInterval) } catch { return }
        }
    }

    /// Reads the certificates again, and takes them up if they are good as a whole: connections that there are go on with
    /// what they verified, new ones use the new ones.
    ///
    /// - Parameter askedFor: an operator sent SIGHUP, and hears of it also when nothing is new.
    func takeCertificates(askedFor: Bool) {
        do {
            let credentials = try HandedKey.credentials(in: core.settings.certificatesFolder)
            let present = core.credentials.context.credentials
            guard askedFor || credentials.fingerprints != present.fingerprints else { return }
            guard credentials.name == present.name else {
                core.log.error(
                    "the new certificate has another name; kept the old one", metadata: ["name": "\(credentials.name)"])
                return
            }
            _ = try credentials.sign([])
            core.credentials.replace(with: try TLSContext(credentials: credentials))
            core.certificates.readAgain()
            // What this node says is signed with the new key from now on. The others keep the last statement with its
            // signature, and with the old certificate's end nobody could verify it any more: it makes a new one.
            core.driver.feed(.membership(.resigned))
            members.tellEveryoneSoon()
            core.log.notice(
                "read the certificates again",
                metadata: [
                    "serial": "\(credentials.serial)",
                    "expires": "\(API.Timestamp.text(unixSeconds: credentials.notAfter))",
                    "because": askedFor ? "of SIGHUP" : "the files have changed",
                ])
        } catch {
            core.log.log(
                level: askedFor ? .error : .warning, "could not read the certificates; kept the old ones",
                metadata: ["error": "\(error)"])
        }
    }
}

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
            ("this node's certificate", credentials.life, "issue a new one, and put it in the place of this one"),
            (
                "the certificate of the CA", credentials.authorityLife,
                "make a new CA: all certificates end with the one that issued them"
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
