import Memory
import Protocols

/// Why the budget has no room for a model, and what would help.
public struct ModelRefusal: Sendable {
  /// A model that held memory at that moment.
  public struct Holder: Sendable {
    public let name: String
    public let version: Int
    public let byteCount: Int
  }

  /// What the model takes at least, and what is left when every other model sleeps.
  public let neededByteCount: Int
  public let availableByteCount: Int
  /// The least budget in which this server runs the model, for one client, while every other one sleeps.
  public let leastBudgetByteCount: Int
  /// Nil where `leastBudgetByteCount` is for running the model; else a file that this budget has no room to read: the least is
  /// for reading it, and more may be needed to run the model.
  public let unreadPath: String?
  /// Whether that file is the model itself, not its configuration.
  public let isModel: Bool
  /// The largest first.
  public let holders: [Holder]

  static let holdersMax = 5

  /// What the answer says besides the numbers of every refusal.
  func writeMembers(to writer: inout JSONWriter) {
    writer.member("least_is_to_run", unreadPath == nil)
    writer.key("models")
    writer.beginArray()
    for holder in holders {
      writer.beginObject()
      writer.member("name", holder.name)
      writer.member("version", "\(holder.version)")
      writer.member("bytes", holder.byteCount)
      writer.endObject()
    }
    writer.endArray()
  }

  var message: String {
    var text =
      "out of memory budget: \(ByteCount.text(neededByteCount)) needed, \(ByteCount.text(availableByteCount)) left when "
      + "every other model sleeps; give --memory-budget \(ByteCount.option(leastBudgetByteCount)) or more"
    if let unreadPath, isModel {
      text += " to read the file: `thimble plan \(unreadPath)` says what running it takes"
    } else if let unreadPath {
      text += " to read \(unreadPath)"
    }
    for (index, holder) in holders.enumerated() {
      text += index == 0 ? "; then held by " : ", "
      text += "\(holder.name) version \(holder.version) (\(ByteCount.text(holder.byteCount)))"
    }
    return text
  }
}
