import Client
import Glibc
import NIOCore
import Testing

@testable import roost

extension ProcessTests {
    @Suite("SIGKILL at the worst moment")
    struct CrashTests {
        @Test("of the node that makes a put passed on to it: another takes the put, and what follows goes first")
        func ofTheTaker() async throws {
            try await TestCluster.run { cluster in
                let (names, writer, name, taker, other, put) = try await Self.putUnderWay(cluster)
                try await cluster.kill(taker)
                try await cluster.process(other).send(SIGCONT)
                let answer = try await put.value
                #expect(answer.node != taker)
                let log = try cluster.logText("kisumu")
                #expect(log.contains("may have been made by a node that does not answer"), "it was not in doubt")

                // What follows goes before what comes back with the node.
                let last = Sample.bytes(6_000, seed: 2)
                try await cluster.put(name, last, through: writer)
                try await cluster.start(taker, joining: ["kisumu"])
                try await cluster.settled(names)
                for node in names {
                    let client = try await cluster.client(node)
                    #expect(try await client.getBytes(name).bytes == last, "\(node)")
                    await client.close()
                }
            }
        }

        @Test("not even the end of the one that passed a put on makes another of it")
        func endOfTheGiver() async throws {
            try await TestCluster.run { cluster in
                let (names, _, name, taker, other, put) = try await Self.putUnderWay(cluster)
                // It goes without leaving, as for a restart.
                #expect(try await cluster.stop("kisumu") == .exited(0))
                await #expect(throws: (any Error).self) { try await put.value }
                try await cluster.process(other).send(SIGCONT)
                try await cluster.start("kisumu", joining: [taker])
                try await cluster.settled(names)
                for node in names {
                    let client = try await cluster.client(node)
                    let versions = try await client.history(name).versions
                    #expect(versions.count == 3 && versions.first?.version.hasPrefix("\(taker).") == true, "\(node)")
                    await client.close()
                }
            }
        }

        /// Four nodes, a client of one, and its put of a name whose owners are two others: `taker` has made it, and its answer
        /// waits for the copy of `other`, which stands still.
        private static func putUnderWay(
            _ cluster: TestCluster
        ) async throws -> (
            names: [String], writer: AgentClient, name: String, taker: String, other: String,
            put: Task<AgentClient.WriteAnswer, any Error>
        ) {
            let names = ["kisumu", "mombasa", "eldoret", "nakuru"]
            try await cluster.start("kisumu", ["leave.on_stop": "false"])
            for name in names.dropFirst() { try await cluster.start(name, joining: ["kisumu"]) }
            try await cluster.settled(names)
            let writer = try await cluster.client("kisumu")
            let (name, taker, other) = try await cluster.foreignName(to: "kisumu", through: writer)
            try await cluster.process(other).send(SIGSTOP)
            let bytes = Sample.bytes(5_000, seed: 1)
            let put = Task { try await writer.put(name, bytes: bytes) }
            let onlooker = try await cluster.client(taker)
            try await Patience.wait(atMost: .seconds(20), for: "\(taker) to have made it") {
                try await onlooker.getBytes(name).bytes == bytes ? .done(()) : .notYet("\(name) is the old one")
            }
            return (names, writer, name, taker, other, put)
        }

        @Test("during puts: what was acknowledged is there, what was not is absent or whole")
        func duringPut() async throws {
            try await TestCluster.run { cluster in
                let names = ["kisumu", "mombasa", "eldoret"]
                try await cluster.start("kisumu")
                for name in names.dropFirst() { try await cluster.start(name, joining: ["kisumu"]) }
                try await cluster.settled(names)

                var acknowledged: [String: [UInt8]] = [:]
                for round in 0..<2 {
                    // One large put whose end never comes, and small ones one after the other until the blow.
                    let (parts, feed) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
                    for _ in 0..<4 { feed.yield(ByteBuffer(repeating: 7, count: 1 << 20)) }
                    let broken = ClientRequest(
                        "PUT", "/v1/resources/broken-\(round)", body: .stream(length: 8 << 20, parts))
                    let slow = try await cluster.client("kisumu")
                    let large = Task { try await slow.send(broken).status }
                    let writer = try await cluster.client("kisumu")
                    let done = Acknowledged()
                    let small = Task { () -> Int in
                        for number in 0... {
                            let bytes = Sample.bytes(50_000 + number, seed: number)
                            do { try await cluster.put("small-\(round)-\(number)", bytes, through: writer) } catch {
                                return number
                            }
                            await done.add(number)
                        }
                        return -1
                    }
                    let reader = try await cluster.client("mombasa")
                    // Counted where the answers arrive: a list shows a write before it is acknowledged.
                    try await Patience.wait(atMost: .seconds(60), for: "some puts") { () -> Patience.Look<Void> in
                        let count = await done.numbers.count
                        return count >= 5 + 3 * round ? .done(()) : .notYet("\(count)")
                    }
                    try await cluster.kill("kisumu")
                    feed.finish()
                    await #expect(throws: (any Error).self) { try await large.value }
                    let open = await small.value
                    for number in await done.numbers {
                        acknowledged["small-\(round)-\(number)"] = Sample.bytes(50_000 + number, seed: number)
                    }
                    for (name, bytes) in acknowledged {
                        let (got, _) = try await reader.getBytes(name)
                        #expect(got == bytes, "\(name) was acknowledged")
                    }
                    // The one that was under way: nothing or all of it. Who was offered it and did not get it to the end
                    // says neither before the crash is seen.
                    let openName = "small-\(round)-\(open)"
                    let got = try await Patience.wait(atMost: .seconds(30), for: "a word on \(openName)") {
                        () -> Patience.Look<[UInt8]?> in
                        do { return .done(try await reader.getBytes(openName).bytes) } catch ClientError.status(
                            404, _, _, _)
                        { return .done(nil) } catch ClientError.status(503, let problem, _, _) {
                            return .notYet(problem.message)
                        }
                    }
                    if let got {
                        #expect(got == Sample.bytes(50_000 + open, seed: open))
                        acknowledged[openName] = got
                    }
                    await #expect(throws: ClientError.self) { try await reader.getBytes("broken-\(round)") }
                    await reader.close()

                    try await cluster.start("kisumu", joining: ["mombasa"])
                    try await cluster.settled(names)
                }
                _ = try await cluster.placed(acknowledged.keys.sorted(), asking: "kisumu")
                for name in names {
                    let client = try await cluster.client(name)
                    for (resource, bytes) in acknowledged {
                        let (got, _) = try await client.getBytes(resource)
                        #expect(got == bytes, "\(resource) through \(name) at the end")
                    }
                    await client.close()
                }
            }
        }

        @Test("during a move, of the side that takes and of the side that gives: nothing is lost, the move ends")
        func duringMove() async throws {
            try await TestCluster.run { cluster in
                let slowly = ["relocation.streams": "1"]
                var files: [(name: String, bytes: [UInt8])] = []
                try await cluster.start("giver", slowly)
                // The taker dies in the middle, then the giver does. A fast disk may end a move before the blow: then
                // more files are put while the taker is away, and it has to come once more.
                for victim in ["taker", "giver"] {
                    for attempt in 1...3 {
                        try await cluster.settled(["giver"])
                        let batch = (0..<20).map { ("move/\(files.count + $0)", Sample.bytes(4 << 20, seed: $0)) }
                        let giver = try await cluster.client("giver")
                        for (name, bytes) in batch { try await cluster.put(name, bytes, through: giver) }
                        await giver.close()
                        files += batch
                        let held = try await startMove(cluster, slowly)
                        try await cluster.kill(victim)
                        if victim == "giver" { try await cluster.start("giver", joining: ["taker"], slowly) }
                        if held < files.count { break }
                        try #require(attempt < 3, "the move was over before \(victim) could be killed")
                        if victim == "giver" { try await cluster.kill("taker") }
                    }
                }
                try await cluster.settled(["giver", "taker"], atMost: .seconds(120))
                _ = try await cluster.placed(files.map(\.name), asking: "taker")
                for node in ["giver", "taker"] {
                    let client = try await cluster.client(node)
                    for (name, bytes) in files {
                        let (got, _) = try await client.getBytes(name)
                        #expect(got == bytes, "\(name) through \(node)")
                    }
                    await client.close()
                }
            }
        }

        /// Starts the taker and returns how many resources it holds once it has begun to take.
        private func startMove(_ cluster: TestCluster, _ settings: [String: String]) async throws -> Int {
            try await cluster.start("taker", joining: ["giver"], settings)
            let taker = try await cluster.client("taker")
            let before = try await taker.status().resources.held
            let held = try await Patience.wait(atMost: .seconds(60), for: "the move to be under way") {
                let held = try await taker.status().resources.held
                return held > before || held > 2 ? .done(held) : .notYet("\(held)")
            }
            await taker.close()
            return held
        }

        @Test("of the node that a get reads from: the get goes on at the byte reached, through another node")
        func duringGet() async throws {
            try await TestCluster.run { cluster in
                let names = ["lamu", "malindi", "voi"]
                try await cluster.start("lamu")
                for name in names.dropFirst() { try await cluster.start(name, joining: ["lamu"]) }
                try await cluster.settled(names)
                let bytes = Sample.bytes(48 << 20, seed: 5)
                let writer = try await cluster.client("lamu")
                try await cluster.put("large", bytes, through: writer)
                await writer.close()
                let place = try #require(try await cluster.placed(["large"], asking: "lamu")["large"])
                let victim = try #require(place.holders.first)
                let outsider = try #require(names.first { !place.holders.contains($0) })

                // The victim is asked first; the outsider, asked next, has no copy and forwards to the other holder.
                let reader = try await cluster.client(victim, outsider)
                let gathered = Gathered()
                let download = try await reader.get("large") { part in
                    if await gathered.append(part) > 8 << 20, await gathered.once() {
                        // What it had sent by now is in our buffers, some 2 MiB; the rest is to come from elsewhere.
                        try await cluster.kill(victim)
                    }
                }
                #expect(await gathered.bytes == bytes)
                #expect(download.resumes >= 1)
                #expect(download.node != victim && place.holders.contains(download.node ?? ""))
                #expect(download.route.first == outsider)
            }
        }

        private actor Acknowledged {
            private(set) var numbers: [Int] = []
            func add(_ number: Int) { numbers.append(number) }
        }

        private actor Gathered {
            private(set) var bytes: [UInt8] = []
            private var isDone = false

            func append(_ part: ByteBuffer) -> Int {
                bytes.append(contentsOf: part.readableBytesView)
                return bytes.count
            }

            func once() -> Bool {
                defer { isDone = true }
                return !isDone
            }
        }
    }
}
