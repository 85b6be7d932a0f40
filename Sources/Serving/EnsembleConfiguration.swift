import Protocols
import Tensors

/// `ensemble_scheduling`: models that a request passes through, and which tensor goes where.
struct EnsembleConfiguration: Equatable, Sendable {
  /// One model of the ensemble. Maps go from the model's names to those of the ensemble's tensors.
  struct Step: Equatable, Sendable {
    var modelName = ""
    /// Nil: the highest that is loaded.
    var version: Int?
    var inputMap: [Mapping] = []
    var outputMap: [Mapping] = []
  }

  struct Mapping: Equatable, Sendable {
    let port: String
    let tensor: String
  }

  /// What `input` or `output` says of one of the ensemble's own tensors; type and shape are checked where they are given.
  struct Declaration: Equatable, Sendable {
    var name = ""
    var elementType: String?
    var dimensions: [Int]?
  }

  var steps: [Step] = []
  /// Empty: what no step makes, and what no step takes.
  var inputs: [Declaration] = []
  var outputs: [Declaration] = []

  static let stepsField = "ensemble_scheduling.step"

  /// The value of `ensemble_scheduling`. Errors: malformed JSON, a known member of another form.
  init(_ reader: inout JSONReader) throws(ProtocolError) {
    guard try reader.peekKind() == .object else {
      throw .fieldInvalid(field: "ensemble_scheduling", expected: "an object with \"step\"")
    }
    try reader.beginObject()
    while let key = try reader.nextKey() {
      guard key == "step" else {
        try reader.skipValue()
        continue
      }
      try EnsembleConfiguration.forEach(&reader, EnsembleConfiguration.stepsField, ServingLimits.ensembleStepsMax) {
        (reader) throws(ProtocolError) in steps.append(try Step(&reader))
      }
    }
    guard !steps.isEmpty else {
      throw .fieldInvalid(field: EnsembleConfiguration.stepsField, expected: "a list of at least one step")
    }
    for (index, step) in steps.enumerated() where !ModelDirectory.isPlainName(step.modelName) {
      throw .fieldInvalid(
        field: "\(EnsembleConfiguration.stepsField)[\(index)].model_name", expected: "the name of a model")
    }
  }

  /// The value of `input` or `output`.
  static func declarations(_ reader: inout JSONReader, _ field: String) throws(ProtocolError) -> [Declaration] {
    var declarations: [Declaration] = []
    try forEach(&reader, field, ProtocolLimits.tensorsMax) { (reader) throws(ProtocolError) in
      declarations.append(try Declaration(&reader))
    }
    return declarations
  }

  fileprivate static func forEach(
    _ reader: inout JSONReader, _ field: String, _ limit: Int,
    _ body: (inout JSONReader) throws(ProtocolError) -> Void
  ) throws(ProtocolError) {
    let expected = "a list of at most \(limit) objects"
    guard try reader.peekKind() == .array else { throw .fieldInvalid(field: field, expected: expected) }
    var count = 0
    try reader.beginArray()
    while try reader.nextElement() {
      count += 1
      guard count <= limit, try reader.peekKind() == .object else {
        throw .fieldInvalid(field: field, expected: expected)
      }
      try body(&reader)
    }
  }
}

extension EnsembleConfiguration.Step {
  fileprivate init(_ reader: inout JSONReader) throws(ProtocolError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "model_name": modelName = try reader.readText(of: key)
      case "model_version": version = try EnsembleConfiguration.Step.version(&reader)
      case "input_map": inputMap = try EnsembleConfiguration.Step.map(&reader, key)
      case "output_map": outputMap = try EnsembleConfiguration.Step.map(&reader, key)
      default: try reader.skipValue()
      }
    }
  }

  /// A number, or a text of digits; −1: the highest.
  private static func version(_ reader: inout JSONReader) throws(ProtocolError) -> Int? {
    let expected = "a version of at least 1, or -1"
    switch try reader.peekKind() {
    case .number:
      let number = try reader.readInteger()
      if number == -1 { return nil }
      guard number >= 1, let version = Int(exactly: number) else { break }
      return version
    case .string:
      let text = try reader.readString()
      if text == "-1" { return nil }
      if let version = ModelDirectory.version(text) { return version }
    default: break
    }
    throw .fieldInvalid(field: "model_version", expected: expected)
  }

  private static func map(
    _ reader: inout JSONReader, _ field: String
  ) throws(ProtocolError) -> [EnsembleConfiguration.Mapping] {
    guard try reader.peekKind() == .object else { throw .fieldInvalid(field: field, expected: "an object of texts") }
    var map: [EnsembleConfiguration.Mapping] = []
    try reader.beginObject()
    while let port = try reader.nextKey() {
      guard map.count < ProtocolLimits.tensorsMax else { throw .tooManyTensors(limit: ProtocolLimits.tensorsMax) }
      map.append(.init(port: port, tensor: try reader.readText(of: field)))
    }
    return map
  }
}

extension EnsembleConfiguration.Declaration {
  fileprivate init(_ reader: inout JSONReader) throws(ProtocolError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "name": name = try reader.readText(of: key)
      case "data_type":
        let text = try reader.readText(of: key)
        elementType = text.hasPrefix("TYPE_") ? String(text.dropFirst(5)) : text
      case "dims":
        var dimensions: [Int] = []
        guard try reader.peekKind() == .array else { throw .fieldInvalid(field: key, expected: "a list of numbers") }
        try reader.beginArray()
        while try reader.nextElement() {
          guard dimensions.count < ProtocolLimits.tensorsMax, try reader.peekKind() == .number,
            let dimension = Int(exactly: try reader.readInteger())
          else { throw .fieldInvalid(field: key, expected: "a list of numbers") }
          dimensions.append(dimension)
        }
        self.dimensions = dimensions
      default: try reader.skipValue()
      }
    }
  }
}
