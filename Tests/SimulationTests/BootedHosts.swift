import Node
import SWIM
import Simulation
import Vocabulary

extension Simulator where Machine == NodeHost {
    /// Hosts n0, n1 and so on, which start one after another and join through the first; nothing has run yet.
    mutating func addHosts(
        _ count: Int, of cluster: ClusterName, _ settings: NodeMachine.Settings,
        metadata: (Int) throws -> Metadata = { _ in .standard }
    ) throws -> [HostID] {
        var hosts: [HostID] = []
        for number in 0..<count {
            let configuration = NodeHost.Configuration(
                cluster: cluster, settings: settings, metadata: try metadata(number),
                join: hosts.prefix(1).map { endpoint(of: $0) })
            hosts.append(
                addHost(
                    try NodeName("n\(number)"),
                    at: try Endpoint(host: "10.0.0.\(number + 1)", port: Endpoint.roostPort), configuration))
        }
        for (number, host) in hosts.enumerated() {
            schedule(after: .milliseconds(300 * Int64(number))) { $0.boot(host) }
        }
        return hosts
    }
}
