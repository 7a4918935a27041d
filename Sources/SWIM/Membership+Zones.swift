import Vocabulary

// A site that loses its power or its line is one event, not one for each of its members.

extension Membership {
    /// A member was found to have crashed. When all of its zone are suspects or gone with it, that is told once.
    ///
    /// - Returns: whether this crash is part of its zone's.
    mutating func noteCrash(
        in claim: Claim, heardFrom teller: NodeName, _ turn: inout Turn<some RandomNumberGenerator>
    ) -> Bool {
        guard let zone = claim.metadata.zone, zone != table[ownPlace].claim.metadata.zone else { return false }
        if zonesDown.contains(zone) { return true }
        // The one that is judged here counts as gone already; a zone of one member is told as that member's crash.
        let others = table.tally(of: zone)
        guard others.suspects == others.present, others.suspects >= 1, zonesDown.count < Self.zonesDownMax else {
            return false
        }
        zonesDown.append(zone)
        tell(.zoneUnreachable, claim, previous: .suspect, heardFrom: teller, by: claim.accuser ?? teller, &turn)
        return true
    }

    /// Who is present and accused of nothing shows that its zone is there, whether it has returned, refuted or is new.
    mutating func noteLife(
        of claim: Claim, heardFrom teller: NodeName, _ turn: inout Turn<some RandomNumberGenerator>
    ) {
        guard !zonesDown.isEmpty, !claim.status.isDeparted, !claim.status.isAccusation, let zone = claim.metadata.zone,
            let index = zonesDown.firstIndex(of: zone)
        else { return }
        zonesDown.remove(at: index)
        tell(.zoneReachable, claim, previous: .crashed, heardFrom: teller, by: claim.name, &turn)
    }

    /// More zones than any cluster of this size has sites.
    private static var zonesDownMax: Int { 1_000 }

    /// One member of a zone is a suspect: another one of it is looked at at once, so that a site that went as a whole is
    /// seen as such when the first of it is judged. By some of those who hear of it, as with the suspect itself.
    mutating func probeFellow(of place: MemberTable.Place, _ turn: inout Turn<some RandomNumberGenerator>) {
        guard let zone = table[place].claim.metadata.zone, zone != table[ownPlace].claim.metadata.zone,
            isDrawnToConfirm(&turn)
        else { return }
        let fellow = randomPeers(1, besides: place, &turn) { $0.claim.metadata.zone == zone && !$0.isSuspect }.first
        if let fellow { probe(fellow, &turn) }
    }
}
