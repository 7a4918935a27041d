import ArgumentParser

/// The simulator's command line: the agent's own cores on a simulated network, one seed after the other.
@main
struct RoostSim: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roost-sim",
        abstract: "Runs Roost's own logic in virtual time: any number of members, any fault, every run repeatable.",
        discussion: """
            The same seed gives the same run, to the byte. Times are virtual: they say what the protocol does, not what \
            this machine can do.
            """,
        subcommands: [
            Run.self, Detect.self, Partition.self, Flap.self, Bootstrap.self, Restart.self, Leave.self, Idle.self,
            LifeguardGrid.self, SabotageTable.self, PlacementTable.self,
        ])
}
