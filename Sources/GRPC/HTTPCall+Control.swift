import Protocols

extension HTTPCall {
  /// A call that is no inference. Errors: its message is malformed, or names nothing.
  public init(_ method: CallMethod, _ bytes: UnsafeRawBufferPointer) throws(CallError) {
    switch method {
    case .serverLive: self.init(.get, ["v2", "health", "live"])
    case .serverReady: self.init(.get, ["v2", "health", "ready"])
    case .serverMetadata: self.init(.get, ["v2"])
    case .healthCheck:
      let service = try ProtobufReader.texts(bytes, count: 1)[0]
      guard ["", CallMethod.inferenceService, CallMethod.healthService].contains(service) else {
        throw .init(.notFound, "there is no such service here: ask for \(CallMethod.inferenceService)")
      }
      self.init(.get, ["v2", "health", "ready"])
    case .modelReady: try self.init(model: bytes, "ready")
    case .modelMetadata: try self.init(model: bytes, nil)
    case .modelConfiguration: try self.init(model: bytes, "config")
    case .statistics:
      let texts = try ProtobufReader.texts(bytes, count: 2)
      self.init(.get, texts[0].isEmpty ? ["v2", "models", "stats"] : try HTTPCall.model(texts[0], texts[1], "stats"))
    case .repositoryIndex:
      var isReadyOnly = false
      var reader = ProtobufReader(bytes)
      while let field = try reader.next() {
        if field.number == 2 { isReadyOnly = field.flag ?? isReadyOnly }
      }
      var writer = JSONWriter()
      writer.beginObject()
      writer.member("ready", isReadyOnly)
      writer.endObject()
      self.init(.post, ["v2", "repository", "index"])
      body = [.bytes(writer.bytes)]
    case .repositoryLoad: try self.init(repository: bytes, "load")
    case .repositoryUnload: try self.init(repository: bytes, "unload")
    case .sharedMemoryStatus, .sharedMemoryUnregister:
      let name = try ProtobufReader.texts(bytes, count: 1)[0]
      let isStatus = method == .sharedMemoryStatus
      self.init(
        isStatus ? .get : .post,
        ["v2", "systemsharedmemory"] + (name.isEmpty ? [] : ["region", name]) + [isStatus ? "status" : "unregister"])
    case .sharedMemoryRegister: try self.init(registering: bytes)
    case .traceSetting, .logSettings: try self.init(settings: bytes, method)
    case .infer, .streamInfer: throw .malformed
    }
  }

  private init(model bytes: UnsafeRawBufferPointer, _ verb: String?) throws(CallError) {
    let texts = try ProtobufReader.texts(bytes, count: 2)
    self.init(.get, try HTTPCall.model(texts[0], texts[1], verb))
  }

  /// A load or unload: the model's name is 2, its parameters are 3.
  private init(repository bytes: UnsafeRawBufferPointer, _ verb: String) throws(CallError) {
    var name = ""
    var parameters = CallParameters()
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      guard let range = field.range else { continue }
      if field.number == 2 { name = try reader.text(range) }
      if field.number == 3 { try parameters.add(bytes, range) }
    }
    guard !name.isEmpty else { throw .init(.invalidArgument, "the request names no model") }
    var writer = JSONWriter()
    writer.beginObject()
    parameters.write(to: &writer)
    writer.endObject()
    self.init(.post, ["v2", "repository", "models", name, verb])
    body = [.bytes(writer.bytes)]
  }

  private init(registering bytes: UnsafeRawBufferPointer) throws(CallError) {
    var (name, key) = ("", "")
    var numbers: [UInt64] = [0, 0]
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      switch field.number {
      case 1: if let range = field.range { name = try reader.text(range) }
      case 2: if let range = field.range { key = try reader.text(range) }
      case 3, 4: numbers[field.number - 3] = field.varint ?? 0
      default: break
      }
    }
    guard !name.isEmpty else { throw .init(.invalidArgument, "the request names no region") }
    guard let offset = Int(exactly: numbers[0]), let byteCount = Int(exactly: numbers[1]) else { throw .malformed }
    self.init(.post, ["v2", "systemsharedmemory", "region", name, "register"])
    body = [.bytes(SharedMemoryRequest(key: key, offset: offset, byteCount: byteCount).jsonBytes)]
  }

  /// Settings to change, by name; none: they are only read.
  private init(settings bytes: UnsafeRawBufferPointer, _ method: CallMethod) throws(CallError) {
    var model = ""
    var writer = JSONWriter()
    var count = 0
    writer.beginObject()
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      guard let range = field.range else { continue }
      if field.number == 2 { model = try reader.text(range) }
      guard field.number == 1 else { continue }
      count += 1
      guard count <= CallLimits.parametersMax else { throw .malformed }
      try HTTPCall.write(setting: ProtobufReader(bytes, range), isTrace: method == .traceSetting, to: &writer)
    }
    writer.endObject()
    var path = ["v2", "logging"]
    if method == .traceSetting { path = ["v2"] + (model.isEmpty ? [] : ["models", model]) + ["trace", "setting"] }
    self.init(count > 0 ? .post : .get, path)
    if count > 0 { body = [.bytes(writer.bytes)] }
  }

  private static func write(
    setting entry: ProtobufReader, isTrace: Bool, to writer: inout JSONWriter
  ) throws(CallError) {
    var entry = entry
    var key = ""
    var texts: [String] = []
    var value = JSON.null
    while let field = try entry.next() {
      guard let range = field.range else { continue }
      if field.number == 1 { key = try entry.text(range) }
      guard field.number == 2 else { continue }
      var inner = ProtobufReader(entry.bytes, range)
      while let field = try inner.next() {
        switch (field.number, field.value) {
        case (1, .bytes(let range)):
          guard texts.count < CallLimits.parametersMax else { throw .malformed }
          texts.append(try inner.text(range))
        case (1, .varint(let number)): value = .bool(number != 0)
        case (2, .varint(let number)): value = .int(Int64(truncatingIfNeeded: number))
        case (3, .bytes(let range)): value = .string(try inner.text(range))
        default: break
        }
      }
    }
    writer.key(key)
    // No value takes a setting back. What levels are traced is a list, all else one text.
    if isTrace, key == "trace_level", !texts.isEmpty {
      writer.value(.array(texts.map { .string($0) }))
    } else {
      writer.value(isTrace ? texts.first.map { .string($0) } ?? .null : value)
    }
  }
}
