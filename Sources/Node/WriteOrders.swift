import Vocabulary

/// Writes that this node has passed on to others and waits for (DESIGN §7).
///
/// An order that was given up may arrive all the same: a process that stood still reads it when it goes on, and TCP sends
/// again for long what a cut held back. By then another node has taken the write, and others after it, and what is made so
/// late would go before those. So whoever has an order asks once before it begins (two-phase commit's question the other way
/// round), and hears no when the order was given up. One that was begun and never answered may have been carried out, and
/// is given to nobody else.
///
/// Each order is under way as long as a request is; the bound of those is the bound of this.
public struct WriteOrders: Sendable {
    /// Of one order, among all that a node gives in all its lives.
    public struct ID: Hashable, Sendable, Codable {
        /// Of the giver's present life.
        public let epoch: UInt64
        public let number: UInt64

        public init(epoch: UInt64, number: UInt64) {
            self.epoch = epoch
            self.number = number
        }
    }

    private struct Order: Sendable {
        let taker: NodeName
        var isBegun = false
    }

    private let epoch: UInt64
    private var last: UInt64 = 0
    private var orders: [ID: Order] = [:]

    /// - Parameter epoch: of this node's present life.
    public init(epoch: UInt64) { self.epoch = epoch }

    public mutating func give(to taker: NodeName) -> ID {
        last &+= 1
        let id = ID(epoch: epoch, number: last)
        orders[id] = Order(taker: taker)
        return id
    }

    /// The taker is about to carry it out.
    ///
    /// - Returns: whether it may. Asked twice, the answer is the same, for the first may have been lost.
    public mutating func begin(_ id: ID, by taker: NodeName) -> Bool {
        guard orders[id]?.taker == taker else { return false }
        orders[id]?.isBegun = true
        return true
    }

    /// The order was answered, or is given up: it can be begun no more.
    ///
    /// - Returns: whether it had been begun.
    @discardableResult
    public mutating func end(_ id: ID) -> Bool { orders.removeValue(forKey: id)?.isBegun ?? false }
}
