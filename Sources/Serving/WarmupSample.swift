import Protocols

/// Inferences that a version has to get through before it serves, with Triton's names.
struct WarmupSample: Equatable, Sendable {
  enum Data: Equatable, Sendable {
    case zeros
    case ones
    /// The same numbers every time.
    case random
    /// The tensor's bytes in a file of the folder `warmup`, of the version or of the model.
    case file(String)
  }

  struct Input: Equatable, Sendable {
    let name: String
    var data: Data
  }

  var name = ""
  var runCount = 1
  /// Inputs that are not named are zeros.
  var inputs: [Input] = []
}

extension WarmupSample {
  /// The value of `model_warmup`.
  static func list(_ reader: inout JSONReader) throws(ProtocolError) -> [WarmupSample] {
    let limit = ServingLimits.warmupSamplesMax
    var samples: [WarmupSample] = []
    guard try reader.peekKind() == .array else { throw .fieldInvalid(field: "model_warmup", expected: "a list") }
    try reader.beginArray()
    while try reader.nextElement() {
      guard samples.count < limit else {
        throw .fieldInvalid(field: "model_warmup", expected: "at most \(limit) samples")
      }
      samples.append(try WarmupSample(&reader))
    }
    return samples
  }

  private init(_ reader: inout JSONReader) throws(ProtocolError) {
    try reader.beginObject("model_warmup")
    while let key = try reader.nextKey() {
      switch key {
      case "name": name = try reader.readText(of: key)
      case "count": runCount = max(1, try reader.readNumber(of: key, in: 0...ServingLimits.warmupRunsMax))
      case "inputs":
        try reader.beginObject(key)
        while let input = try reader.nextKey() {
          guard inputs.count < ProtocolLimits.tensorsMax else {
            throw .tooManyTensors(limit: ProtocolLimits.tensorsMax)
          }
          inputs.append(Input(name: input, data: try WarmupSample.data(&reader)))
        }
      default: try reader.skipValue()
      }
    }
  }

  /// `{"data_type":…,"dims":…,"zero_data":true}`; type and shape are the model's, whatever is said of them.
  private static func data(_ reader: inout JSONReader) throws(ProtocolError) -> Data {
    var data: Data?
    try reader.beginObject("inputs")
    while let key = try reader.nextKey() {
      switch key {
      case "zero_data": if try reader.readTruth(of: key) { data = .zeros }
      case "ones_data": if try reader.readTruth(of: key) { data = .ones }
      case "random_data": if try reader.readTruth(of: key) { data = .random }
      case "input_data_file":
        let name = try reader.readText(of: key)
        guard ModelDirectory.isPlainName(name) else {
          throw .fieldInvalid(field: key, expected: "the name of a file in the folder warmup, without a path")
        }
        data = .file(name)
      default: try reader.skipValue()
      }
    }
    guard let data else {
      throw .fieldMissing(field: "zero_data, ones_data, random_data or input_data_file", owner: "model_warmup")
    }
    return data
  }
}
