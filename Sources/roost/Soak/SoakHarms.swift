/// What the faults have done to the cluster, as far as it decides which reads have to be answered.
///
/// That a query never fails is promised while a holder of the name is up and most nodes are. Of a cluster that was whole,
/// every name on both of its owners, when one node was killed, frozen, stopped, emptied or starved of disk, it can be said
/// without asking that it is so: of the two copies one is left, of three nodes and more most are. Of two such harms, of lost
/// packets and of networks that fall apart it can not, and what is not answered then is counted and not judged.
struct SoakHarms: Sendable {
    private enum State: Equatable {
        /// All are there, and each has said that it has nothing left to do, since the last harm.
        case whole
        case one(String)
        case many
    }

    private var state = State.many
    /// Grows when reads begin to be due and when they cease to be.
    private var period = 0
    /// Grows with each harm.
    private(set) var count = 0

    /// The period in which reads have to be answered; `nil` when they need not be.
    var due: Int? { state == .many ? nil : period }
    /// Nothing has been harmed since all were of one mind: each write has one taker, and is made once.
    var isCalm: Bool { state == .whole }

    mutating func whole() {
        if state == .many { period += 1 }
        state = .whole
    }

    /// Something is about to be done.
    ///
    /// - Parameter node: the only one that suffers; `nil` when others may, too.
    mutating func harm(_ node: String?) {
        count += 1
        switch state {
        case .whole where node != nil: state = node.map { .one($0) } ?? .many
        // It comes back, and is harmed again: the others have all that they had.
        case .one(let before) where before == node: break
        case .whole, .one:
            state = .many
            period += 1
        case .many: break
        }
    }
}
