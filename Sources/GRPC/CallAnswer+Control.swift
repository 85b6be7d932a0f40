import Protocols

extension CallAnswer {
  /// The answer to a call that is no inference. Errors: the daemon's, or its answer is not understood.
  public init(_ method: CallMethod, body: UnsafeRawBufferPointer, httpStatus: Int) throws(CallError) {
    var message = ProtobufWriter()
    switch method {
    case .serverLive: message.field(1, httpStatus == 200)
    case .serverReady, .modelReady:
      // Who asks whether something is ready is told that it is not, but why he may not ask.
      guard [200, 404, 503].contains(httpStatus) else { throw .init(httpStatus: httpStatus, body: body) }
      message.field(1, httpStatus == 200)
    case .healthCheck:
      guard [200, 503].contains(httpStatus) else { throw .init(httpStatus: httpStatus, body: body) }
      message.field(1, httpStatus == 200 ? 1 as UInt64 : 2)
    default:
      guard httpStatus == 200 else { throw .init(httpStatus: httpStatus, body: body) }
      switch method {
      case .repositoryLoad, .repositoryUnload, .sharedMemoryRegister, .sharedMemoryUnregister: break
      default:
        guard let json = try? JSON(parsing: body) else { throw .unexpectedAnswer }
        CallAnswer.write(json, of: method, to: &message)
      }
    }
    self.init(message)
  }

  private static func write(_ json: JSON, of method: CallMethod, to message: inout ProtobufWriter) {
    switch method {
    case .serverMetadata:
      message.texts(json, ["name", "version"])
      for name in json["extensions"]?.array ?? [] { message.repeated(3, name.string ?? "") }
    case .modelMetadata:
      message.texts(json, ["name"])
      for version in json["versions"]?.array ?? [] { message.repeated(2, version.string ?? "") }
      message.field(3, json["platform"]?.string ?? "")
      for (number, name) in [(4, "inputs"), (5, "outputs")] {
        for port in json[name]?.array ?? [] {
          var tensor = ProtobufWriter()
          tensor.texts(port, ["name", "datatype"])
          tensor.packed(3, port["shape"]?.array?.map { $0.int ?? 0 } ?? [])
          message.message(number, tensor)
        }
      }
    case .modelConfiguration:
      var configuration = ProtobufWriter()
      configuration.configuration(json)
      message.message(1, configuration)
    case .statistics:
      for entry in json["model_stats"]?.array ?? [] {
        var statistics = ProtobufWriter()
        statistics.statistics(entry)
        message.message(1, statistics)
      }
    case .repositoryIndex:
      for entry in json.array ?? [] {
        var model = ProtobufWriter()
        model.texts(entry, ["name", "version", "state", "reason"])
        message.message(1, model)
      }
    case .sharedMemoryStatus:
      for entry in json.array ?? [] {
        var region = ProtobufWriter()
        region.texts(entry, ["name", "key"])
        region.counts(entry, ["offset", "byte_size"], from: 3)
        message.entry(entry["name"]?.string ?? "", region)
      }
    case .traceSetting, .logSettings:
      for member in json.object ?? [] {
        var value = ProtobufWriter()
        value.setting(member.value, isTrace: method == .traceSetting)
        message.entry(member.name, value)
      }
    default: break
    }
  }
}

extension ProtobufWriter {
  /// Texts of an object as the fields 1, 2, ….
  fileprivate mutating func texts(_ json: JSON, _ names: [String]) {
    for (index, name) in names.enumerated() { field(index + 1, json[name]?.string ?? "") }
  }

  fileprivate mutating func counts(_ json: JSON, _ names: [String], from first: Int = 1) {
    for (index, name) in names.enumerated() { field(first + index, json[name]?.int ?? 0) }
  }

  /// An entry of the map that is field 1.
  fileprivate mutating func entry(_ name: String, _ value: ProtobufWriter) {
    var entry = ProtobufWriter()
    entry.repeated(1, name)
    entry.message(2, value)
    message(1, entry)
  }

  /// Of a trace a list of texts; of the log a Boolean 1, a number 2 or a text 3.
  fileprivate mutating func setting(_ json: JSON, isTrace: Bool) {
    switch json {
    case .array(let elements): for element in elements { repeated(1, element.string ?? "") }
    case .string(let text): repeated(isTrace ? 1 : 3, text)
    case .int(let number) where isTrace: repeated(1, "\(number)")
    case .int(let number): chosen(2, number)
    case .bool(let flag) where isTrace: repeated(1, flag ? "true" : "false")
    case .bool(let flag): chosen(1, flag)
    default: break
    }
  }

  // MARK: Statistics

  private static let durations = [
    "success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss",
  ]

  fileprivate mutating func statistics(_ json: JSON) {
    texts(json, ["name", "version"])
    counts(json, ["last_inference", "inference_count", "execution_count"], from: 3)
    var inferences = ProtobufWriter()
    inferences.durations(json["inference_stats"], ProtobufWriter.durations, from: 1)
    message(6, inferences)
    for entry in json["batch_stats"]?.array ?? [] {
      var batch = ProtobufWriter()
      batch.counts(entry, ["batch_size"])
      batch.durations(entry, ["compute_input", "compute_infer", "compute_output"], from: 2)
      message(7, batch)
    }
    for entry in json["memory_usage"]?.array ?? [] {
      var memory = ProtobufWriter()
      memory.texts(entry, ["type"])
      memory.counts(entry, ["id", "byte_size"], from: 2)
      message(8, memory)
    }
  }

  private mutating func durations(_ json: JSON?, _ names: [String], from first: Int) {
    for (index, name) in names.enumerated() {
      var duration = ProtobufWriter()
      duration.counts(json?[name] ?? .null, ["count", "ns"])
      message(first + index, duration)
    }
  }

  // MARK: Configurations

  private static let types = [
    "TYPE_BOOL", "TYPE_UINT8", "TYPE_UINT16", "TYPE_UINT32", "TYPE_UINT64", "TYPE_INT8", "TYPE_INT16", "TYPE_INT32",
    "TYPE_INT64", "TYPE_FP16", "TYPE_FP32", "TYPE_FP64", "TYPE_STRING", "TYPE_BF16",
  ]

  /// What of Triton's ModelConfig this project's models have: name 1, platform 2, version policy 3, batch 4, inputs 5, outputs 6,
  /// backend 17, response cache 24.
  fileprivate mutating func configuration(_ json: JSON) {
    texts(json, ["name", "platform"])
    if let policy = json["version_policy"] {
      var choice = ProtobufWriter()
      if let latest = policy["latest"] {
        var value = ProtobufWriter()
        value.counts(latest, ["num_versions"])
        choice.message(1, value)
      } else if let specific = policy["specific"] {
        var value = ProtobufWriter()
        value.packed(1, specific["versions"]?.array?.map { $0.int ?? 0 } ?? [])
        choice.message(3, value)
      } else {
        choice.message(2, ProtobufWriter())
      }
      message(3, choice)
    }
    field(4, json["max_batch_size"]?.int ?? 0)
    for (number, name) in [(5, "input"), (6, "output")] {
      for port in json[name]?.array ?? [] {
        let type = ProtobufWriter.types.firstIndex(of: port["data_type"]?.string ?? "")
        var tensor = ProtobufWriter()
        tensor.field(1, port["name"]?.string ?? "")
        tensor.field(2, Int64(type.map { $0 + 1 } ?? 0))
        tensor.packed(number == 5 ? 4 : 3, port["dims"]?.array?.map { $0.int ?? 0 } ?? [])
        message(number, tensor)
      }
    }
    field(17, json["backend"]?.string ?? "")
    if json["response_cache"]?["enable"]?.bool == true {
      var cache = ProtobufWriter()
      cache.field(1, true)
      message(24, cache)
    }
  }
}
