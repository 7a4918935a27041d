#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One axis of a chart: what it counts, with the unit, and how far it goes.
struct Axis {
    enum Scale {
        case linear
        /// By powers of ten.
        case decades
    }

    let label: String
    let scale: Scale
    /// `nil`: as far as the data goes, from zero.
    let range: ClosedRange<Double>?

    init(_ label: String, in range: ClosedRange<Double>? = nil, _ scale: Scale = .linear) {
        self.label = label
        self.scale = scale
        self.range = range
    }
}

/// A chart of lines as SVG: axes with units and ticks, a legend, nothing else. No library, no font but the viewer's.
struct Chart {
    struct Series {
        let name: String
        let points: [(x: Double, y: Double)]
        var isStepped = false

        init(_ name: String, _ points: [(Double, Double)]) {
            self.name = name
            self.points = points.map { (x: $0.0, y: $0.1) }
        }

        /// The share of the values, in percent, that are not above x.
        static func distribution(_ name: String, of values: [Double]) -> Series {
            let sorted = values.sorted()
            let count = Double(max(sorted.count, 1))
            // A thousand steps are finer than the paper; many more make the file large for nothing.
            let stride = max(1, sorted.count / 1_000)
            var points: [(Double, Double)] = []
            for index in Swift.stride(from: 0, to: sorted.count, by: stride) {
                points.append((sorted[index], 100 * Double(index + 1) / count))
            }
            if let last = sorted.last { points.append((last, 100)) }
            if let first = sorted.first { points.insert((first, 0), at: 0) }
            var series = Series("\(name) (n = \(sorted.count))", points)
            series.isStepped = true
            return series
        }
    }

    let title: String
    let x: Axis
    let y: Axis
    let series: [Series]

    private static let width = 960.0
    private static let height = 560.0
    private static let frame = (left: 80.0, right: 930.0, top: 56.0, bottom: 436.0)
    /// Told apart in grey and by the colour-blind (Okabe and Ito, 2008), with dashes besides.
    private static let colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"]
    private static let dashes = ["", "8 3", "2 3", "10 3 2 3", "", "8 3"]

    var svg: String {
        let xs = series.flatMap { $0.points.map(\.x) }
        let ys = series.flatMap { $0.points.map(\.y) }
        let across = Ruler(x, xs, from: Self.frame.left, to: Self.frame.right)
        let up = Ruler(y, ys, from: Self.frame.bottom, to: Self.frame.top)
        var parts = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" "
                + "width=\"\(Int(Self.width))\" height=\"\(Int(Self.height))\" "
                + "font-family=\"sans-serif\" font-size=\"14\" fill=\"#222\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
            text(title, Self.width / 2, 30, anchor: "middle", more: " font-size=\"16\" font-weight=\"bold\""),
        ]
        parts += across.ticks.map { tick in
            line(tick.place, Self.frame.top, tick.place, Self.frame.bottom)
                + text(tick.label, tick.place, Self.frame.bottom + 20, anchor: "middle")
        }
        parts += up.ticks.map { tick in
            line(Self.frame.left, tick.place, Self.frame.right, tick.place)
                + text(tick.label, Self.frame.left - 8, tick.place + 5, anchor: "end")
        }
        let middle = (Self.frame.top + Self.frame.bottom) / 2
        parts.append(
            text(x.label, (Self.frame.left + Self.frame.right) / 2, Self.frame.bottom + 44, anchor: "middle"))
        parts.append(
            text(y.label, 22, middle, anchor: "middle", more: " transform=\"rotate(-90 22 \(number(middle)))\""))
        parts += series.indices.map { curve(series[$0], index: $0, across, up) }
        parts += series.indices.map(legend)
        return parts.joined(separator: "\n") + "\n</svg>\n"
    }

    private func curve(_ series: Series, index: Int, _ across: Ruler, _ up: Ruler) -> String {
        var path = ""
        var lastY: String?
        for point in series.points {
            let px = number(across.place(point.x))
            let py = number(up.place(point.y))
            if path.isEmpty {
                path = "M\(px) \(py)"
            } else {
                if series.isStepped, let lastY { path += "L\(px) \(lastY)" }
                path += "L\(px) \(py)"
            }
            lastY = py
        }
        return "<path d=\"\(path)\" fill=\"none\" \(stroke(index))/>"
    }

    private func legend(_ index: Int) -> String {
        let left = Self.frame.left + Double(index % 2) * 420
        let top = Self.frame.bottom + 72 + Double(index / 2) * 22
        return "<path d=\"M\(number(left)) \(number(top - 5))h34\" \(stroke(index))/>"
            + text(series[index].name, left + 42, top, anchor: "start")
    }

    private func stroke(_ index: Int) -> String {
        let dash = Self.dashes[index % Self.dashes.count]
        return "stroke=\"\(Self.colours[index % Self.colours.count])\" stroke-width=\"2.5\""
            + (dash.isEmpty ? "" : " stroke-dasharray=\"\(dash)\"")
    }

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> String {
        "<path d=\"M\(number(x1)) \(number(y1))L\(number(x2)) \(number(y2))\" stroke=\"#ddd\"/>"
    }

    private func text(_ words: String, _ x: Double, _ y: Double, anchor: String, more: String = "") -> String {
        var safe = ""
        for character in words {
            switch character {
            case "&": safe += "&amp;"
            case "<": safe += "&lt;"
            default: safe.append(character)
            }
        }
        return "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\"\(more)>\(safe)</text>"
    }

    private func number(_ value: Double) -> String { Report.fixed(value, 1) }
}

/// From values to places on the paper, with marks at round numbers.
struct Ruler {
    let ticks: [(place: Double, label: String)]
    private let scale: Axis.Scale
    private let low: Double
    private let high: Double
    private let start: Double
    private let end: Double

    init(_ axis: Axis, _ values: [Double], from start: Double, to end: Double) {
        scale = axis.scale
        self.start = start
        self.end = end
        let top = values.max() ?? 1
        switch axis.scale {
        case .linear:
            low = axis.range?.lowerBound ?? 0
            let wanted = axis.range?.upperBound ?? (top > low ? top : low + 1)
            let step = Self.roundStep((wanted - low) / 8)
            // To the next mark, so that the last point is not on the edge.
            high = axis.range == nil ? low + (((wanted - low) / step).rounded(.up)) * step : wanted
            let digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2
            var marks: [(Double, String)] = []
            var mark = low
            while mark <= high + step / 1_000 {
                marks.append((mark, Report.fixed(mark, digits)))
                mark += step
            }
            let (low, high) = (low, high)
            ticks = marks.map { (place: start + (end - start) * ($0.0 - low) / (high - low), label: $0.1) }
        case .decades:
            low = Self.power(axis.range?.lowerBound ?? values.min() ?? 1).rounded(.down)
            high = max(Self.power(axis.range?.upperBound ?? top).rounded(.up), low + 1)
            let (low, high) = (low, high)
            ticks = Swift.stride(from: low, through: high, by: 1).map { power in
                (
                    place: start + (end - start) * (power - low) / (high - low),
                    label: Report.fixed(pow(10, power), power < 0 ? Int(-power) : 0)
                )
            }
        }
    }

    func place(_ value: Double) -> Double {
        let on =
            switch scale {
            case .linear: value
            case .decades: Self.power(value)
            }
        return start + (end - start) * (min(max(on, low), high) - low) / (high - low)
    }

    private static func power(_ value: Double) -> Double { log10(max(value, 1e-9)) }

    /// 1, 2 or 5 times a power of ten, at least as much.
    private static func roundStep(_ least: Double) -> Double {
        guard least > 0 else { return 1 }
        let power = pow(10, log10(least).rounded(.down))
        return [1, 2, 5].map { $0 * power }.first { $0 >= least * 0.999 } ?? 10 * power
    }
}
