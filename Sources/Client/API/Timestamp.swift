extension API {
    /// RFC 3339 times in UTC with milliseconds (`2026-11-23T05:52:19.123Z`), written and read without a calendar library:
    /// the proleptic Gregorian arithmetic of Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    public enum Timestamp {
        private static let millisecondsPerDay: Int64 = 86_400_000
        /// 9999-12-31T23:59:59.999Z: RFC 3339 has four digits for the year. Later times show as this one.
        private static let latest: Int64 = 253_402_300_799_999

        /// - Parameter unixMilliseconds: milliseconds since 1970; times before that show as 1970.
        public static func text(unixMilliseconds: Int64) -> String {
            let time = min(max(unixMilliseconds, 0), latest)
            let days = time / millisecondsPerDay
            let inDay = time % millisecondsPerDay
            let (year, month, day) = civil(days: days)
            func padded(_ value: Int64, _ width: Int) -> String {
                let digits = String(value)
                return String(repeating: "0", count: max(0, width - digits.count)) + digits
            }
            return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T"
                + "\(padded(inDay / 3_600_000, 2)):\(padded(inDay / 60_000 % 60, 2)):\(padded(inDay / 1000 % 60, 2))."
                + "\(padded(inDay % 1000, 3))Z"
        }

        public static func text(unixMilliseconds: UInt64) -> String {
            text(unixMilliseconds: Int64(clamping: unixMilliseconds))
        }

        public static func text(unixSeconds: Int64) -> String {
            let (milliseconds, overflow) = unixSeconds.multipliedReportingOverflow(by: 1000)
            return text(unixMilliseconds: overflow ? (unixSeconds > 0 ? latest : 0) : milliseconds)
        }

        /// Reads what `text` writes, with or without a fraction; `nil` for anything else, other zones included.
        public static func unixMilliseconds(_ text: String) -> Int64? {
            let bytes = Array(text.utf8)
            guard (20...30).contains(bytes.count), bytes.last == UInt8(ascii: "Z") else { return nil }
            func number(_ range: Range<Int>) -> Int64? {
                var value: Int64 = 0
                for byte in bytes[range] {
                    guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                    value = value * 10 + Int64(byte - UInt8(ascii: "0"))
                }
                return value
            }
            let separators: [(Int, Character)] = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")]
            guard separators.allSatisfy({ bytes[$0.0] == $0.1.asciiValue }) else { return nil }
            guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
                let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
                (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 60, year >= 1970
            else { return nil }
            var milliseconds: Int64 = 0
            if bytes.count > 20 {
                guard bytes.count > 21, bytes[19] == UInt8(ascii: "."), let fraction = number(20..<bytes.count - 1)
                else {
                    return nil
                }
                // At most nine digits by the length check above.
                var scaled = fraction
                for _ in bytes.count - 21..<9 { scaled *= 10 }
                milliseconds = scaled / 1_000_000
            }
            let days = daysSince1970(year: year, month: month, day: day)
            guard civil(days: days) == (year, month, day) else { return nil }
            return ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + milliseconds
        }

        private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
            let shifted = days + 719_468
            let era = shifted / 146_097
            let dayOfEra = shifted % 146_097
            let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
            let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
            let marchMonth = (5 * dayOfYear + 2) / 153
            let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
            return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
        }

        private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
            let marchYear = month <= 2 ? year - 1 : year
            let era = marchYear / 400
            let yearOfEra = marchYear % 400
            let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
            return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        }
    }
}
