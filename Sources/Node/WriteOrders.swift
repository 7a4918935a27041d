import Resources
import Vocabulary

/// Writes that this node has passed on to others and waits for (DESIGN §7).
///
/// An order that was given up may arrive all the same: a process that stood still reads it when it goes on, and TCP sends
/// again for long what a cut held back. By then another node has taken the write, and others after it, and what is made so
/// late would go before those. So whoever has an order asks once before it begins (two-phase commit's question the other way
/// round), and hears no when the order was given up.
///
/// One that was begun and never answered may have been carried out. Who begins says up to which hybrid time it would make
/// the write, and asks again before it makes it later than that: another node may then take a plain put with a time after
/// that one, and wherever both turn up it is the head, and so is all that follows it. It says its last dot, too: once
/// another writer has seen a later one of its dots the put is made no more, for what was written on top of it, a delete
/// say, would be undone. What depends on the name's state is given to nobody else: the first would be what the second is
/// judged by.
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

    /// How far an order got.
    public enum Progress: Hashable, Sendable {
        case given
        /// It may have been made.
        case begun(WriteAttempt)
        /// It may have been made, and by whom and when nobody can say: it was passed on once more, or an earlier release took it.
        case begunForGood
    }

    private struct Order: Sendable {
        let taker: NodeName
        var progress = Progress.given
    }

    /// So much later than its taker's clock an order may be made without asking again. At a tenth, bytes that are slow to
    /// come cost another question; at ten times, a put that two nodes made is dated that far ahead.
    private static let spanMilliseconds: UInt64 = 2_000

    /// Times that a taker asks, each after it was too late for what it had said.
    public static let beginsMax = 3

    private let epoch: UInt64
    private var last: UInt64 = 0
    private var orders: [ID: Order] = [:]

    /// - Parameter epoch: of this node's present life.
    public init(epoch: UInt64) { self.epoch = epoch }

    /// Up to when a write that is begun now is made.
    public static func limit(_ now: HybridTime) -> HybridTime { now.advanced(byMilliseconds: spanMilliseconds) }

    public mutating func give(to taker: NodeName) -> ID {
        last &+= 1
        let id = ID(epoch: epoch, number: last)
        orders[id] = Order(taker: taker)
        return id
    }

    /// The taker is about to carry it out.
    ///
    /// - Parameter attempt: what it would make; `nil` when it can not say.
    /// - Returns: whether it may. Asked twice, the answer is the same, for the first may have been lost.
    public mutating func begin(_ id: ID, by taker: NodeName, as attempt: WriteAttempt?) -> Bool {
        guard let order = orders[id], order.taker == taker else { return false }
        orders[id]?.progress =
            switch (order.progress, attempt) {
            // Only its own dots can be told from those of others.
            case (_, .some(let attempt)) where attempt.after.node != taker: .begunForGood
            case (.begunForGood, _), (_, nil): .begunForGood
            case (.given, .some(let attempt)): .begun(attempt)
            case (.begun(let earlier), .some(let attempt)): .begun(earlier.joined(with: attempt))
            }
        return true
    }

    public func hasBegun(_ id: ID) -> Bool { orders[id].map { $0.progress != .given } ?? false }

    /// The order was answered, or is given up: it can be begun no more.
    ///
    /// - Returns: how far it had got.
    @discardableResult
    public mutating func end(_ id: ID) -> Progress { orders.removeValue(forKey: id)?.progress ?? .given }
}

extension WriteRequest {
    /// Of a write that has come so far and was not answered: what to give to another node, which takes it as one that may
    /// have been made already; `nil` when no other may take it.
    public func again(after progress: WriteOrders.Progress) -> WriteRequest? {
        guard !dependsOnState, attempts.count < Self.attemptsMax, case .begun(let attempt) = progress else {
            return nil
        }
        var request = self
        request.attempts.append(attempt)
        return request
    }
}
