import TLS
import Testing

@Suite("The life of a certificate") struct CertificateLifeTests {
    private let day: Int64 = 86_400

    @Test("it ends soon from the last quarter of its life on")
    func states() {
        let life = CertificateLife(notBefore: 0, notAfter: 100 * day)
        #expect(life.soonFrom == 75 * day)
        #expect(life.state(at: 75 * day - 1) == .fine && life.state(at: 75 * day) == .soon)
        #expect(life.state(at: 100 * day - 1) == .soon && life.state(at: 100 * day) == .over)
        #expect(life.secondsLeft(at: 101 * day) == -day)
        let odd = CertificateLife(notBefore: .min, notAfter: .max)
        #expect(odd.state(at: 0) == .fine && odd.secondsLeft(at: -5) == .max)
        #expect(CertificateLife(notBefore: 5, notAfter: 1).state(at: 0) == .fine)
    }

    @Test("it is renewed at two thirds of its life, and each by another share of a 24th later")
    func renewal() {
        let life = CertificateLife(notBefore: 10 * day, notAfter: 106 * day)
        #expect(life.renewFrom(jitter: 0) == 74 * day && life.renewFrom(jitter: .max) == 78 * day)
        #expect(life.renewFrom(jitter: .max / 2) - 76 * day < 60)
        #expect(life.renewFrom(jitter: .max) < life.soonFrom, "nobody is warned of what renews itself")
        for odd in [CertificateLife(notBefore: .min, notAfter: .max), CertificateLife(notBefore: 5, notAfter: 1)] {
            #expect(odd.renewFrom(jitter: 7) == odd.notAfter)
        }
    }

    @Test("a word a day, then each quarter of what is left, at most each minute; after the end each hour")
    func words() {
        let life = CertificateLife(notBefore: 0, notAfter: 100 * day)
        func isDue(_ now: Int64, _ last: Int64?) -> Bool { life.isToBeSaid(at: now, last: last) }
        #expect(!isDue(74 * day, nil) && isDue(75 * day, nil))
        #expect(!isDue(76 * day - 1, 75 * day) && isDue(76 * day, 75 * day))
        let near = 100 * day - 40_000
        #expect(!isDue(near, near - 9_999) && isDue(near, near - 10_000))
        let last = 100 * day - 8
        #expect(!isDue(last, last - 59) && isDue(last, last - 60))
        #expect(!isDue(101 * day, 101 * day - 3_599) && isDue(101 * day, 101 * day - 3_600))
        #expect(isDue(80 * day, 81 * day), "the clock was set back")
    }
}
