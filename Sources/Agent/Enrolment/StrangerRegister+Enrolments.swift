import NIOCore

extension StrangerRegister.Bounds {
    /// Of those who try to enrol: strangers cost a known little, and members nothing. A secret of 128 bits needs no bound to
    /// be safe from guessing; these keep the guessers' noise from the machine.
    ///
    /// - Some 240 sources have to fail once a minute each to take all that is left for those who never failed. With half
    ///   that minute, as many fewer; with double, who mistyped a token waits for longer under a flood.
    /// - A place is held for a second without a whole request: the rest of the handshake and the request are one round trip,
    ///   and a packet lost. At half, honest ones on poor lines go first; at double, those who keep silent hold theirs twice
    ///   as long. With its request whole it waits for this node, and keeps its place.
    static let enrolments = StrangerRegister.Bounds(
        placesMax: 16, placesPerSourceMax: 4, failuresMax: 64, failureRefill: .milliseconds(125),
        failuresPerSourceMax: 8, failurePerSourceRefill: .seconds(5), failureRememberedFor: .minutes(1),
        silence: .seconds(1), patience: nil, sourcesMax: 1_024)
}
