import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Node
import Relocation
import Resources
import Storage
import Vocabulary

/// Giving out what this node holds, and never other bytes than those that were put.
///
/// A blob up to `checkedFirstMax` is read and checked before the first byte goes out; when it is wrong another holder
/// answers. A larger one is hashed while it is sent, and its last piece held back until the whole is right: what breaks
/// off is no whole body, and the next get is answered elsewhere. A part of a larger one is checked by the sums of its
/// blocks, for which the blob is read whole once in this process's life, unless whoever asks says that it checks the
/// whole itself.
extension ResourceRoutes {
    /// At double, a get of that size keeps twice the memory, and its first byte comes a millisecond later; at half,
    /// more gets of a rotten blob break off before they are answered elsewhere.
    static let checkedFirstMax: UInt64 = 1 << 20

    func serve(
        _ held: VersionSet?, name: ResourceName, wanted: Dot?, _ request: Request, _ context: APIContext,
        visited: [NodeName], _ core: AgentCore
    ) async throws -> Response {
        let route = visited + [core.name]
        let found = wanted.map { dot in held?.version(dot) } ?? held?.live
        guard let version = found, case .blob(let digest, let size, let mediaType) = version.content else {
            throw Self.notFound(name, route, version: wanted)
        }
        guard let total = Int(exactly: size) else { throw APIError.inside }
        let etag = "\"\(digest.hex)\""
        var headers: HTTPFields = [
            .eTag: etag, .contentType: mediaType, .acceptRanges: "bytes", .roostRoute: Visited.text(route),
            .roostVersion: version.dot.description,
        ]
        headers[.roostHome] = version.home?.text
        if let conflicts = held?.conflicts, conflicts > 0 { headers[.roostConflicts] = String(conflicts) }
        if EntityTags(request.headers[.ifNoneMatch])?.weaklyMatches(etag) == true {
            var response = Response.notModified(etag: etag)
            response.headers.append(contentsOf: headers.filter { $0.name != .eTag })
            return response
        }
        let range = ByteRange.parse(request, etag: etag, size: total)
        if range == .unsatisfiable {
            headers[.contentType] = nil
            throw APIError.unsatisfiable(size: total, headers: headers)
        }
        var reader: BlobReader?
        var isChecking = false
        do throws(StorageError) {
            reader = try await core.store.blob(digest)
            if let reader, reader.size == size {
                if let response = try await Self.answer(reader, range, headers, request, context, core) {
                    return response
                }
                isChecking = true
            } else {
                core.repairs.met(digest, reader == nil ? .missing : .size, reader)
            }
        } catch {
            core.repairs.met(digest, error, reader)
            core.log.error(
                "the bytes of a version can not be read here; asking another holder",
                metadata: ["name": "\(name)", "sha256": "\(digest)", "error": "\(error)"])
        }
        if isChecking {
            throw APIError.unavailable(
                "\(core.name) reads all of \"\(name)\" first, to give out a part of it that is right",
                code: "checking", retryAfterSeconds: 5)
        }
        return try await elsewhere(held, request, context, visited: visited, core)
    }

    /// The bytes are missing here, or the disk does not give them: another holder has them.
    private func elsewhere(
        _ held: VersionSet?, _ request: Request, _ context: APIContext, visited: [NodeName], _ core: AgentCore
    ) async throws -> Response {
        let route = visited + [core.name]
        let others = core.driver.read { machine in
            held.map { machine.convergence.likelyHolders(of: $0.group(in: core.cluster)) } ?? []
        }
        .filter { !route.contains($0) }
        do {
            return try await Forwarding(core: core, loop: context.loop).answer(
                request, by: others, visited: visited, unsure: [core.name])
        } catch var nobody as NobodyAnswered {
            // It exists, and whoever asked must not take this for "there is none".
            nobody.isSomebodyBehind = true
            throw nobody.apiError
        }
    }

    /// - Returns: nil while a large blob has to be read whole before a part of it can be given out.
    private static func answer(
        _ reader: BlobReader, _ range: ByteRange, _ headers: HTTPFields, _ request: Request, _ context: APIContext,
        _ core: AgentCore
    ) async throws(StorageError) -> Response? {
        var headers = headers
        var status = HTTPResponse.Status.ok
        var offset: UInt64 = 0
        var count = reader.size
        if case .part(let first, let length) = range {
            (status, offset, count) = (.partialContent, UInt64(clamping: first), UInt64(clamping: length))
            headers[.contentRange] = ByteRange.contentRange(
                offset: first, count: length, size: Int(clamping: reader.size))
        }
        if reader.size <= checkedFirstMax {
            let whole = try await reader.whole()
            let part = whole.getSlice(at: whole.readerIndex + Int(offset), length: Int(count)) ?? ByteBuffer()
            return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: part))
        }
        guard let check = try await check(reader, isWhole: status == .ok, request, core) else { return nil }
        let repairs = core.repairs
        return .stream(
            status: status, headers: headers, count: Int(clamping: count), pacedBy: context.loop,
            BlobBytes(
                reader: reader, offset: offset, count: count, check: check,
                onFailure: { repairs.met(reader.digest, $0, reader) }))
    }

    private static func check(
        _ reader: BlobReader, isWhole: Bool, _ request: Request, _ core: AgentCore
    ) async throws(StorageError) -> BlobBytes.Check? {
        if isWhole { return .whole(try CheckedRead(reader)) }
        if request.headers[.roostVerifies] == "sha256" { return .byReader }
        if core.store.knowsBlocks(of: reader.digest) { return .blocks(core.store) }
        guard reader.size <= core.settings.scrub.waitedBytesMax else {
            core.partChecks.begin(reader)
            return nil
        }
        try await core.store.learnBlocks(of: reader)
        return .blocks(core.store)
    }
}
