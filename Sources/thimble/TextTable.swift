import System

/// Rows and columns in the terminal.
enum TextTable {
  private static let barWidth = 24

  /// Columns as wide as their widest cell; the first row is titles. Each other row ends with a bar, `bars` being 0…1.
  static func print(_ rows: [[String]], isLeft: (Int) -> Bool, bars: [Double]) {
    let widths = rows[0].indices.map { column in rows.reduce(0) { max($0, $1[column].count) } }
    for (number, row) in rows.enumerated() {
      var line = " "
      for (column, cell) in row.enumerated() {
        line += " "
        line += isLeft(column) ? TextColumn.left(cell, widths[column]) : TextColumn.right(cell, widths[column] + 1)
      }
      if number > 0 { line += " " + String(repeating: "▇", count: Int(Double(barWidth) * bars[number - 1])) }
      Console.line(line)
    }
  }
}
