import Memory
import Protocols
import System

/// One line an event, on standard error. The event loop's.
final class Log {
  /// As syslog numbers them.
  enum Level: Int, Sendable {
    case error = 3
    case warning = 4
    case information = 6
    case verbose = 7

    var name: String {
      switch self {
      case .error: "error"
      case .warning: "warning"
      case .information: "info"
      case .verbose: "verbose"
      }
    }
  }

  /// The version that an event is about.
  struct Subject: Sendable {
    let model: String
    var version: Int?
  }

  var settings: LogSettings
  private let isQuiet: Bool
  private let isJournal: Bool
  /// Where lines go.
  private let write: (String) -> Void

  init(
    _ settings: LogSettings, isQuiet: Bool, isJournal: Bool = Console.errorIsJournal,
    write: @escaping (String) -> Void = { Console.error($0) }
  ) {
    self.settings = settings
    self.isQuiet = isQuiet
    self.isJournal = isJournal
    self.write = write
  }

  /// Whether inferences are worth a line each.
  var isVerbose: Bool { settings.verboseLevel > 0 }

  private func says(_ level: Level) -> Bool {
    switch level {
    case .error: settings.saysErrors
    case .warning: settings.saysWarnings
    case .information: settings.saysInformation
    case .verbose: isVerbose
    }
  }

  func line(_ text: String, _ level: Level = .information, of subject: Subject? = nil) {
    guard !isQuiet, says(level) else { return }
    let prefix = isJournal ? "<\(level.rawValue)>" : ""
    let now = settings.format == .plain ? 0 : Clock.wallMilliseconds
    write(prefix + Log.text(text, level, of: subject, format: settings.format, wallMilliseconds: now))
  }

  static func text(
    _ text: String, _ level: Level, of subject: Subject?, format: LogSettings.Format, wallMilliseconds: Int64
  ) -> String {
    switch format {
    case .plain: return "thimble: " + text
    case .timed: return Clock.text(wallMilliseconds: wallMilliseconds) + " " + level.name + " thimble: " + text
    case .json:
      var writer = JSONWriter()
      writer.beginObject()
      writer.member("time", Clock.text(wallMilliseconds: wallMilliseconds))
      writer.member("level", level.name)
      writer.member("message", text)
      if let subject {
        writer.member("model", subject.model)
        if let version = subject.version { writer.member("version", "\(version)") }
      }
      writer.endObject()
      return String(decoding: writer.bytes, as: UTF8.self)
    }
  }

  func budget(_ budget: MemoryBudget) -> String {
    "\(ByteCount.text(budget.reservedByteCount)) of \(ByteCount.text(budget.limitByteCount)) reserved"
  }

  /// Says what is loaded of a model now.
  func load(_ name: String, _ repository: ModelRepository, failure: ServingError?) {
    if let entry = repository.entries.first(where: { $0.name == name }) {
      for model in entry.loaded where model.fileFault.reported == nil {
        line(
          "model \(name) version \(model.version) is ready: \(ByteCount.text(model.byteCount))",
          of: Subject(model: name, version: model.version))
      }
    }
    if let failure { line("model \(name) is not loaded: \(failure.message)", .error, of: Subject(model: name)) }
  }

  /// Says what came of an inference, where that is wanted.
  func inference(_ metrics: ModelMetrics, _ failure: ServingError?, nanoseconds: Int64) {
    let outcome = failure.map { "\($0.status.code): \($0.message)" } ?? "done"
    line(
      "model \(metrics.model) version \(metrics.version): \(outcome) after \(nanoseconds / 1000) µs", .verbose,
      of: Subject(model: metrics.model, version: metrics.version))
  }
}
