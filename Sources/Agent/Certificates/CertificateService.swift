import Authority
import Client
import Logging
import Node
import SWIM
import TLS
import Vocabulary

/// The life of this node's certificates while it runs: new ones are taken up as their files change, they are renewed at
/// two thirds of their life, and an end that comes near is told, in time.
struct CertificateService: Sendable {
    let core: AgentCore
    let members: MembersService
    let renewals: RenewalService

    /// A change by hand is in use 5 to 10 s after its last file was written; three `stat` each time are nothing.
    private static let filesInterval = Duration.seconds(5)

    func run() async {
        await withDiscardingTaskGroup { tasks in
            tasks.addTask { await watch() }
            tasks.addTask { await renew() }
        }
    }

    private func watch() async {
        var files = CertificateFiles(folder: core.settings.certificatesFolder)
        var said = ExpiryWords()
        while !Task.isCancelled {
            if files.look() { take(because: "the files have changed", isAsked: false) }
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

    // MARK: Renewing

    private static let dueInterval = Duration.seconds(10)
    /// Between two tries: a hundredth of the life, so that a short one is tried often enough; an hour at most.
    private static let retrySeconds: ClosedRange<Int64> = 30...3_600

    /// By the wall clock, since that is what certificates end by; looked at often, since it may be set.
    private func renew() async {
        var tried: Int64?
        while !Task.isCancelled {
            do { try await Task.sleep(for: Self.dueInterval) } catch { return }
            let credentials = core.credentials.context.credentials
            let now = WallClock.seconds
            guard now >= credentials.life.renewFrom(jitter: credentials.certificateID ?? 0),
                !core.driver.read({ $0.isJoining })
            else { continue }
            let life = credentials.notAfter.subtractingReportingOverflow(credentials.notBefore).partialValue
            let pause = min(Self.retrySeconds.upperBound, max(Self.retrySeconds.lowerBound, life / 100))
            // A clock that was set back must not silence it.
            if let tried, now >= tried, now - tried < pause { continue }
            tried = now
            do {
                try await renewNow()
            } catch RenewalError.noIssuer {
                // Where the CA is kept off the nodes this is everyday, and the near end is told by itself.
                core.log.debug("no member renews certificates")
            } catch {
                core.log.warning("could not renew this node's certificate", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Gets a new certificate and takes it up.
    ///
    /// - Parameter first: who is asked before the others.
    func renewNow(asking first: NodeName? = nil) async throws {
        try await renewals.renew(asking: first)
        take(because: "it was renewed", isAsked: false)
        renewals.own.removeBefore(core.credentials.context.credentials)
    }

    // MARK: Taking up

    /// Reads the certificates again, and takes them up if they are good as a whole. What is under way goes on with what was
    /// verified when it began, unless its CA is trusted no more.
    ///
    /// - Parameter isAsked: an operator sent SIGHUP, and hears of it also when nothing is new.
    func take(because reason: String, isAsked: Bool) {
        do {
            let credentials = try renewals.own.current()
            let present = core.credentials.context.credentials
            guard isAsked || credentials.fingerprints != present.fingerprints else { return }
            guard credentials.name == present.name else {
                core.log.error(
                    "the new certificate has another name; kept the old one", metadata: ["name": "\(credentials.name)"])
                return
            }
            _ = try credentials.sign([])
            core.credentials.replace(with: try TLSContext(credentials: credentials))
            core.certificates.readAgain()
            // The others know this node by what it shows when it connects; and those whom only a CA stands for that is
            // trusted no more are as good as revoked.
            Task { [core] in await core.peers.renewConnections() }
            let trusted = Set(credentials.authorityKeys)
            if !trusted.isSuperset(of: present.authorityKeys) {
                core.connections.cut { $0.authority.map { !trusted.contains($0) } ?? false }
            }
            // What this node says is signed with the new key from now on. The others keep the last statement with its
            // signature, and with the old certificate's end nobody could verify it any more: it makes a new one.
            core.driver.feed(.membership(.resigned))
            members.tellEveryoneSoon()
            core.log.notice(
                "read the certificates again",
                metadata: [
                    "serial": "\(credentials.serial)",
                    "expires": "\(API.Timestamp.text(unixSeconds: credentials.notAfter))", "because": "\(reason)",
                ])
        } catch {
            core.log.log(
                level: isAsked ? .error : .warning, "could not read the certificates; kept the old ones",
                metadata: ["error": "\(error)"])
        }
    }

    /// `GET /v1/certificate`
    var overview: API.Certificate {
        let credentials = core.credentials.context.credentials
        return API.Certificate(
            name: credentials.name.uri, serial: credentials.serial,
            expires: API.Timestamp.text(unixSeconds: credentials.notAfter), issuer: credentials.issuerKey?.hex,
            trusts: credentials.authorityKeys.map(\.hex))
    }
}
