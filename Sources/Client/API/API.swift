/// The JSON that the agent answers and the command line reads: one set of types for both sides, so that they can not
/// drift apart.
///
/// Keys are snake_case, times RFC 3339 UTC texts (`Timestamp`), durations end in `_ms`, sizes are bytes. Names and
/// versions are plain texts here: whoever acts on one checks it with its own type. A key without a value is left out.
public enum API {}
