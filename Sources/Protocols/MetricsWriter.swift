/// Appends metrics in Prometheus' text format, version 0.0.4.
///
/// Call `family` once for each name, then `sample` for each of its series.
public struct MetricsWriter {
  public enum Kind: String, Sendable {
    case counter, gauge, histogram, summary, untyped
  }

  public struct Label: Equatable, Sendable {
    public let name: String
    public let value: String

    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  public var bytes: [UInt8] = []
  private var familyName = ""

  public init() {}

  /// Starts a family: its HELP and TYPE lines. Naming the family that is already open writes nothing.
  public mutating func family(_ name: String, _ kind: Kind, help: String) {
    guard name != familyName else { return }
    familyName = name
    append("# HELP ")
    append(name)
    append(" ")
    appendEscaped(help, quotes: false)
    append("\n# TYPE ")
    append(name)
    append(" ")
    append(kind.rawValue)
    append("\n")
  }

  /// A series of the open family. `suffix` is for the parts of a histogram: `_bucket`, `_sum`, `_count`.
  public mutating func sample(_ labels: [Label] = [], _ value: Int, suffix: String = "") {
    appendSeries(labels, suffix)
    append("\(value)\n")
  }

  public mutating func sample(_ labels: [Label] = [], _ value: Double, suffix: String = "") {
    appendSeries(labels, suffix)
    append(value.isFinite ? value.description : value.isNaN ? "NaN" : value < 0 ? "-Inf" : "+Inf")
    append("\n")
  }

  private mutating func appendSeries(_ labels: [Label], _ suffix: String) {
    append(familyName)
    append(suffix)
    for (index, label) in labels.enumerated() {
      append(index == 0 ? "{" : ",")
      append(label.name)
      append("=\"")
      appendEscaped(label.value, quotes: true)
      append("\"")
    }
    append(labels.isEmpty ? " " : "} ")
  }

  private mutating func appendEscaped(_ text: String, quotes: Bool) {
    for byte in text.utf8 {
      switch byte {
      case Byte.lineFeed: append("\\n")
      case Byte.backslash: append("\\\\")
      case Byte.quote where quotes: append("\\\"")
      default: bytes.append(byte)
      }
    }
  }

  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
}
