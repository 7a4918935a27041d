import Client
import Logging
import NIOConcurrencyHelpers
import SWIM
import Storage
import Vocabulary

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The tags of the members, by their digests: what claims only point to. Who brings them matters not, since the digest
/// says whether they are the ones; members that have the same tags share them here.
///
/// They are kept in their canonical form, since a thousand small tags as a dictionary would take ten times the memory.
final class TagsBook: Sendable {
    private static let storageKey = "tags"
    /// Two thousand members with as much as is allowed, or a full table of members with a line each.
    static let bytesMax = 8 << 20
    /// What one set of tags takes besides its bytes, roughly: a million of tiny ones are no smaller than this.
    private static let overheadBytes = 128
    /// In one answer. Who lacks more asks again.
    static let answerBytesMax = 1 << 20
    static let wantedMax = 1_024
    /// On disk: who restarts in a larger cluster asks for the rest.
    static let savedBytesMax = 1 << 20
    /// Of digests that were heard of and are looked for, from whom.
    private static let tellersMax = 4_096

    private struct Own {
        let tags: Tags
        let encoded: [UInt8]
        let digest: TagsDigest?

        init(_ tags: Tags) {
            self.tags = tags
            encoded = tags.encoded
            digest = tags.digest
        }
    }

    private struct State {
        var own: Own
        var byDigest: [TagsDigest: [UInt8]] = [:]
        var bytes = 0
        var tellers: [TagsDigest: NodeName] = [:]
        var isWished = false
        /// Rises with each change; what was saved last.
        var version: UInt64 = 0
        var saved: UInt64 = 0

        mutating func add(_ encoded: [UInt8], _ digest: TagsDigest) {
            guard byDigest[digest] == nil else { return }
            byDigest[digest] = encoded
            bytes += encoded.count + overheadBytes
            version &+= 1
        }
    }

    private let log: Logger
    private let state: NIOLockedValueBox<State>
    private let wish: AsyncStream<Void>.Continuation
    /// Comes when there may be something to fetch; those that nobody has looked at are one.
    let wishes: AsyncStream<Void>

    init(own: Tags, log: Logger) {
        self.log = log
        state = NIOLockedValueBox(State(own: Own(own)))
        (wishes, wish) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: This node's own

    var own: Tags {
        get { state.withLockedValue { $0.own.tags } }
        set {
            let own = Own(newValue)
            state.withLockedValue { $0.own = own }
        }
    }

    // MARK: Looking in

    /// `nil`: not known here (yet).
    func tags(_ digest: TagsDigest) -> Tags? { encoded(digest).flatMap { Tags(encoded: $0) } }

    func knows(_ digest: TagsDigest) -> Bool { encoded(digest) != nil }

    private func encoded(_ digest: TagsDigest) -> [UInt8]? {
        state.withLockedValue { state in
            state.byDigest[digest] ?? (state.own.digest == digest ? state.own.encoded : nil)
        }
    }

    /// Those of them that are known and fit one answer.
    func answer(_ wanted: [TagsDigest]) -> [[UInt8]] {
        var room = Self.answerBytesMax
        var answer: [[UInt8]] = []
        for digest in Set(wanted.prefix(Self.wantedMax)).sorted() {
            guard let encoded = encoded(digest), encoded.count <= room else { continue }
            room -= encoded.count
            answer.append(encoded)
        }
        return answer
    }

    var bytes: Int { state.withLockedValue { $0.bytes } }

    /// For any tags whatever.
    var hasRoom: Bool { bytes + Tags.bytesMax + Self.overheadBytes <= Self.bytesMax }

    // MARK: Learning

    /// Takes over those that were asked for, whatever else came.
    ///
    /// - Returns: which came.
    func learn(_ answer: [[UInt8]], wanted: Set<TagsDigest>) -> Set<TagsDigest> {
        var came: Set<TagsDigest> = []
        for encoded in answer.prefix(Self.wantedMax) where encoded.count <= Tags.bytesMax {
            let digest = Tags.digest(of: encoded)
            guard wanted.contains(digest), hasRoom, Tags(encoded: encoded) != nil else { continue }
            state.withLockedValue { $0.add(encoded, digest) }
            came.insert(digest)
        }
        return came
    }

    /// Drops what no member has any more.
    func keep(_ referred: Set<TagsDigest>) {
        state.withLockedValue { state in
            for (digest, encoded) in state.byDigest where !referred.contains(digest) {
                state.byDigest[digest] = nil
                state.bytes -= encoded.count + Self.overheadBytes
                state.version &+= 1
            }
        }
    }

    // MARK: Wishing

    /// Something happened to a member. Never waits.
    func heard(_ event: MemberEvent) {
        guard let digest = event.claim.metadata.tags, !knows(digest) else { return }
        state.withLockedValue { state in
            if state.tellers.count < Self.tellersMax { state.tellers[digest] = event.heardFrom }
        }
        lookAgain()
    }

    /// Some members' tags may be unknown, whoever they are.
    func lookAgain() {
        state.withLockedValue { $0.isWished = true }
        wish.yield()
    }

    /// As `lookAgain`, for what is on the list already.
    func wakeFetcher() { wish.yield() }

    /// Whether there was something new since the last time, and who told of it.
    func takeWishes() -> (isWished: Bool, tellers: [TagsDigest: NodeName]) {
        state.withLockedValue { state in
            defer {
                state.isWished = false
                state.tellers = [:]
            }
            return (state.isWished, state.tellers)
        }
    }

    // MARK: Disk

    func load(from store: Store) async throws {
        guard let bytes = try await store.load(Self.storageKey) else { return }
        do {
            for encoded in try API.JSON.decode([Data].self, from: bytes).map(Array.init)
            where hasRoom && Tags(encoded: encoded) != nil {
                state.withLockedValue { $0.add(encoded, Tags.digest(of: encoded)) }
            }
        } catch {
            log.warning("could not read the saved tags; asking for them again", metadata: ["error": "\(error)"])
        }
        state.withLockedValue { $0.saved = $0.version }
    }

    /// When there is something new.
    func save(to store: Store) async {
        let (version, all): (UInt64, [TagsDigest: [UInt8]]?) = state.withLockedValue { state in
            (state.version, state.saved == state.version ? nil : state.byDigest)
        }
        guard let all else { return }
        var room = Self.savedBytesMax
        let saved = all.sorted { $0.key < $1.key }.map(\.value).prefix { encoded in
            room -= encoded.count
            return room >= 0
        }
        do {
            try await store.save(try API.JSON.encode(saved.map { Data($0) }), for: Self.storageKey)
            state.withLockedValue { $0.saved = version }
        } catch {
            log.warning("could not save the members' tags", metadata: ["error": "\(error)"])
        }
    }
}
