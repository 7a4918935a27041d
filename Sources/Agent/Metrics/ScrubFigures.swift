import Storage

/// What `/metrics` says of the check of the bytes on disk.
enum ScrubFigures {
    static func add(_ core: AgentCore, to metrics: Metrics) {
        let (read, counts) = (core.scrub.read, core.repairs.counts)
        metrics.count(
            "roost_scrub_read_bytes_total", by: Double(read.bytes), help: "Bytes read from the disk to check them.")
        metrics.count("roost_scrub_checked_blobs_total", by: Double(read.blobs), help: "Blobs checked.")
        for fault in BlobFault.allCases {
            metrics.count(
                "roost_scrub_rotten_blobs_total", ["fault": fault.rawValue], by: Double(counts.found[fault] ?? 0),
                help: "Blobs found missing or wrong, by the scrub or by a read.")
        }
        metrics.count(
            "roost_scrub_repaired_blobs_total", by: Double(counts.repaired),
            help: "Blobs fetched again from another holder.")
        metrics.set(
            "roost_scrub_unrepaired_blobs", to: Double(counts.lacking), help: "Blobs that this node lacks now.")
        metrics.set(
            "roost_scrub_last_pass_timestamp_seconds", to: core.scrub.lastPassSeconds ?? 0,
            help: "When the last whole pass ended; 0 before the first.")
    }
}
