import Client
import SWIM
import Vocabulary

extension TagsFetcher.View {
    /// Of those who are gone nothing is asked: nobody chooses them, and they can not answer.
    init(_ membership: Membership, knownIn book: TagsBook) {
        for member in membership.members {
            if !member.status.isDeparted { members += 1 }
            guard let digest = member.metadata.tags, !member.status.isDeparted, member.name != membership.identity,
                !book.knows(digest)
            else { continue }
            missing[digest, default: []].append(member.name)
        }
    }
}

extension EventLog {
    /// A member's tags are known: they came later than the claim that told of them, or are this node's own and new.
    func tagsKnown(_ tags: Tags, of member: Member) {
        // An event is a line; the whole of it is in the list of members.
        let line = TagsText.line(tags.byKey, valueMax: 40, max: 200)
        let text = tags.isEmpty ? "it has no tags any more" : "its tags: \(line)"
        append(
            type: MemberEvent.Kind.updated.rawValue, node: member.name.text, address: member.endpoint.description,
            by: member.name.text, detail: text, time: API.Timestamp.text(unixMilliseconds: WallClock.milliseconds))
    }
}
