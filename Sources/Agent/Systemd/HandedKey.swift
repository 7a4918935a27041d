#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The private key as systemd hands it over, so that on disk only root may read it:
///
/// - at a start, through `LoadCredential=key.pem:…`, in `$CREDENTIALS_DIRECTORY`;
/// - at a reload, which hands no credentials over, as the copy that `ExecReload` puts into `$RUNTIME_DIRECTORY`.
///
/// The one that is the certificate's is used, whichever it is; else the `key.pem` beside the certificate.
enum HandedKey {
    /// Those that are there, the newest first.
    static func paths(_ environment: [String: String]) -> [String] {
        ["RUNTIME_DIRECTORY", "CREDENTIALS_DIRECTORY"].compactMap { variable in
            // Of several runtime folders the first is ours.
            guard let folder = environment[variable]?.split(separator: ":").first else { return nil }
            let path = "\(folder)/key.pem"
            return FileManager.default.fileExists(atPath: path) ? path : nil
        }
    }
}
