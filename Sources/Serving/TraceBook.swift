import Protocols
import System

/// Which requests are traced, and what has been traced. Owned by the event loop.
final class TraceBook {
  private(set) var server = TraceSetting.standard
  private var models: [(name: String, setting: TraceSetting)] = []
  /// Requests of models since tracing was changed.
  private var seen: [(name: String, count: Int)] = []
  /// Whether anything is traced at all.
  private(set) var isOn = false
  /// Traces in Chrome's format, the oldest first: objects with commas between.
  private(set) var traces: [[UInt8]] = []
  private(set) var byteCount = 0
  private(set) var byteCountMax = 0
  private var held: HeldMemory?
  private let folder: String?
  private var file: File?
  private var fileByteCount = 0

  /// Heap that a trace takes besides its bytes.
  private static let overheadByteCount = 64

  /// `folder`: where traces are written too.
  init(folder: String?) { self.folder = folder }

  // MARK: Settings

  var needsMemory: Bool { held == nil }

  /// Takes memory for traces.
  func take(_ held: HeldMemory) {
    byteCountMax = held.byteCount
    self.held = held
  }

  func setting(of model: String?) -> TraceSetting {
    guard let model, let own = models.first(where: { $0.name == model })?.setting else { return server }
    return own.filled(from: server)
  }

  /// What is set of a model itself, to be changed.
  func own(_ model: String?) -> TraceSetting {
    guard let model else { return server }
    return models.first { $0.name == model }?.setting ?? TraceSetting()
  }

  func set(_ setting: TraceSetting, of model: String?) {
    if let model {
      models.removeAll { $0.name == model }
      if setting != TraceSetting() { models.append((model, setting)) }
    } else {
      server = setting.filled(from: .standard)
    }
    seen = []
    isOn = server.isOn == true || models.contains { $0.setting.isOn == true }
  }

  /// Counts a request of a model; returns whether it is traced. Precondition: `isOn`.
  func samples(_ model: String) -> Bool {
    let setting = setting(of: model)
    guard setting.isOn == true, let rate = setting.rate, let left = setting.count, left != 0 else { return false }
    let place: Int
    if let found = seen.firstIndex(where: { $0.name == model }) {
      place = found
    } else {
      seen.append((model, 0))
      place = seen.count - 1
    }
    defer { seen[place].count &+= 1 }
    guard seen[place].count % rate == 0 else { return false }
    if left > 0 {
      if let own = models.firstIndex(where: { $0.name == model && $0.setting.count != nil }) {
        models[own].setting.count = left - 1
      } else {
        server.count = left - 1
      }
    }
    return true
  }

  // MARK: Traces

  /// Keeps a trace; the oldest ones go where there is no room. Returns what is wrong with the file, once.
  func add(_ trace: [UInt8]) -> String? {
    let size = trace.count + TraceBook.overheadByteCount
    while byteCount + size > byteCountMax, !traces.isEmpty {
      byteCount -= traces.removeFirst().count + TraceBook.overheadByteCount
    }
    if byteCount + size <= byteCountMax {
      traces.append(trace)
      byteCount += size
    }
    return write(trace)
  }

  /// Chrome's format is a list that need not be closed.
  private func write(_ trace: [UInt8]) -> String? {
    guard let folder, fileByteCount < ServingLimits.traceFileBytesMax else { return nil }
    do throws(SystemError) {
      if file == nil {
        file = try File(creating: folder + "/trace-\(Process.identifier).json", mode: 0o640)
        try append(Array("[\n".utf8))
      }
      try append(trace)
      try append(Array(",\n".utf8))
    } catch {
      fileByteCount = Int.max
      return "traces are no longer written: \(error.message)"
    }
    guard fileByteCount >= ServingLimits.traceFileBytesMax else { return nil }
    return "traces are no longer written: \(fileByteCount) bytes are"
  }

  private func append(_ bytes: [UInt8]) throws(SystemError) {
    try bytes.withUnsafeBufferPointer { (bytes) throws(SystemError) in
      switch file {
      case .some(let file): try file.write(UnsafeRawBufferPointer(bytes))
      case .none: break
      }
    }
    fileByteCount += bytes.count
  }
}

/// `GET /v2/thimble/trace`: what chrome://tracing and Perfetto read.
struct TraceDocument: JSONWritable {
  let book: TraceBook

  func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("displayTimeUnit", "ms")
    writer.key("traceEvents")
    writer.beginArray()
    writer.beginObject()
    writer.member("name", "thread_name")
    writer.member("ph", "M")
    writer.member("pid", Int(Process.identifier))
    writer.member("tid", TraceEvents.workerLane)
    writer.key("args")
    writer.beginObject()
    writer.member("name", "worker")
    writer.endObject()
    writer.endObject()
    for trace in book.traces { writer.raw(trace) }
    writer.endArray()
    writer.endObject()
  }

  var jsonBytesMax: Int { book.byteCount + 256 }
}
