import Resources

/// What the agent would say of a name, for the command line: that need not ask it.
public enum NameCheck {
    /// - Returns: why this is no resource's name; `nil` for one that is.
    public static func problem(with text: String) -> String? {
        do {
            _ = try ResourceName(text)
            return nil
        } catch {
            return "\(error)"
        }
    }
}
