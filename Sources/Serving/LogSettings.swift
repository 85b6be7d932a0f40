import Protocols

/// What the log says and how, with Triton's names.
public struct LogSettings: Equatable, Sendable {
  public enum Format: String, Sendable {
    /// Lines for people.
    case plain = "default"
    /// The same with time and level.
    case timed = "ISO8601"
    /// A JSON object a line.
    case json
  }

  public var saysInformation = true
  public var saysWarnings = true
  public var saysErrors = true
  /// 1 and more: a line for each inference.
  public var verboseLevel = 0
  public var format = Format.plain

  public init() {}

  /// Takes what a request says. Errors: malformed JSON, a known member of another form.
  mutating func apply(_ body: UnsafeRawBufferPointer) throws(ProtocolError) {
    var reader = JSONReader(body)
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "log_info": saysInformation = try reader.readTruth(of: key)
      case "log_warning": saysWarnings = try reader.readTruth(of: key)
      case "log_error": saysErrors = try reader.readTruth(of: key)
      case "log_verbose_level": verboseLevel = try reader.readNumber(of: key, in: 0...1000)
      case "log_format":
        guard let format = Format(rawValue: try reader.readText(of: key)) else {
          throw .fieldInvalid(field: key, expected: "\"default\", \"ISO8601\" or \"json\"")
        }
        self.format = format
      case "log_file":
        guard try reader.readText(of: key).isEmpty else {
          throw .fieldInvalid(field: key, expected: "left out: the log goes to the daemon's standard error")
        }
      default: try reader.skipValue()
      }
    }
    try reader.finish()
  }
}

extension LogSettings: JSONWritable {
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("log_file", "")
    writer.member("log_info", saysInformation)
    writer.member("log_warning", saysWarnings)
    writer.member("log_error", saysErrors)
    writer.member("log_verbose_level", verboseLevel)
    writer.member("log_format", format.rawValue)
    writer.endObject()
  }
}
