import Foundation

/// A file of JSON as Foundation reads it.
enum JSONFile {
  static func object(_ path: String) throws -> [String: Any] {
    try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [String: Any] ?? [:]
  }
}
