import FoundationEssentials

/// What was done to the agents and what was seen that must not be, each with its time: to be read beside the agents' logs.
struct SoakDiary: Sendable {
    let folder: DemoFolder

    func note(_ text: String) {
        let time = Date.now.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        // A diary that can not be written must not end the soak.
        try? folder.append(text: "\(time) \(text)\n", to: "\(folder.logs)/soak.log")
    }
}
