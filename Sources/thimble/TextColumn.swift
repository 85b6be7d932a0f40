/// Text padded with spaces to the width of a column, counted in characters.
enum TextColumn {
  static func left(_ text: String, _ width: Int) -> String { text + padding(text, width) }
  static func right(_ text: String, _ width: Int) -> String { padding(text, width) + text }

  private static func padding(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count))
  }
}
