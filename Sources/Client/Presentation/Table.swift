/// Rows under headings, columns aligned: numbers to the right, text to the left, two spaces between.
public struct Table: Sendable {
    public enum Alignment: Sendable { case left, right }

    public struct Column: Sendable {
        let heading: String
        let alignment: Alignment

        public init(_ heading: String, _ alignment: Alignment = .left) {
            self.heading = heading
            self.alignment = alignment
        }
    }

    private let columns: [Column]
    private var rows: [[String]] = []

    public init(_ columns: [Column]) { self.columns = columns }

    /// Missing cells are empty, superfluous ones are dropped; an empty cell shows as `-`, so that columns can be counted.
    public mutating func add(_ cells: [String]) {
        var row = cells.prefix(columns.count).map { Self.printable($0) }
        while row.count < columns.count { row.append("-") }
        rows.append(row)
    }

    public var isEmpty: Bool { rows.isEmpty }

    /// Lines without a newline at the end of the last.
    ///
    /// - Parameter paint: adds colour to a finished cell (row, column, text); it must not change the visible width.
    public func text(headings: Bool = true, paint: ((Int, Int, String) -> String)? = nil) -> String {
        var widths = columns.map { headings ? $0.heading.count : 0 }
        for row in rows {
            for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) }
        }
        var lines: [String] = []
        if headings { lines.append(line(columns.map(\.heading), widths: widths, paint: nil)) }
        for (number, row) in rows.enumerated() {
            lines.append(line(row, widths: widths, paint: paint.map { paint in { paint(number, $0, $1) } }))
        }
        return lines.joined(separator: "\n")
    }

    private func line(_ cells: [String], widths: [Int], paint: ((Int, String) -> String)?) -> String {
        var text = ""
        for (index, cell) in cells.enumerated() {
            if index > 0 { text += "  " }
            let padding = String(repeating: " ", count: max(0, widths[index] - cell.count))
            let shown = paint?(index, cell) ?? cell
            switch columns[index].alignment {
            case .right: text += padding + shown
            // No blanks at the ends of lines.
            case .left: text += index == cells.count - 1 ? shown : shown + padding
            }
        }
        return text
    }

    private static func printable(_ text: String) -> String { text.isEmpty ? "-" : text.printable() }
}
