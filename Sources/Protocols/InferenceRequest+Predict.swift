import Tensors

extension InferenceRequest {
  /// Parses the body of TensorFlow Serving's `:predict`, whose tensors have the types and shapes of the model's `inputs`.
  ///
  /// `instances` is a list with an element for each of the batch, or of one object with a member for each input; `inputs` is the
  /// tensor, or an object with a member for each. More than one list in the outermost one are rows for a model of batch 1. How arrays
  /// are nested further is not checked, only how many elements there are.
  /// Errors: what is malformed, missing or contradictory, and a signature of another name, all of status 400.
  public init(predicting body: UnsafeRawBufferPointer, inputs ports: [TensorMetadata]) throws(ProtocolError) {
    var reader = JSONReader(body)
    var values: [Value] = []
    var form: AnswerForm?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "instances", "inputs":
        guard form == nil else { throw .fieldInvalid(field: key, expected: "either instances or inputs, once") }
        form = key == "instances" ? .rows : .columns
        values = try InferenceRequest.tensors(&reader, inRows: form == .rows)
      case "signature_name":
        let name = try reader.readString()
        guard name.isEmpty || name == TensorSignature.name else {
          throw .fieldInvalid(field: key, expected: "left out, or \"\(TensorSignature.name)\"")
        }
      default: try reader.skipValue()
      }
    }
    try reader.finish()
    guard let form else { throw .fieldMissing(field: "instances", owner: "request") }
    self.form = form
    guard values.count > 1 || values.first?.name != nil || ports.count == 1 else {
      throw .fieldInvalid(
        field: form == .rows ? "instances" : "inputs", expected: "an object with a member for each input")
    }
    for value in values {
      guard let port = ports.first(where: { $0.name == value.name ?? $0.name }) else {
        // For who knows the model to refuse.
        inputs.append(.init(name: value.name ?? "", elementType: .uint8, shape: Shape([]), payload: .json(value.range)))
        continue
      }
      guard !inputs.contains(where: { $0.name == port.name }) else { throw .tensorDuplicated(tensor: port.name) }
      // A list with more elements than the model's batch of one has as many rows.
      let isOfRows = value.rowCount > 1 && port.dimensions.first == 1
      let own = Shape(port.dimensions)
      let shape = isOfRows ? own.withRows(value.rowCount) : own
      inputs.append(.init(name: port.name, elementType: port.elementType, shape: shape, payload: .json(value.range)))
    }
  }

  /// What the request says of a tensor.
  private struct Value {
    /// The model's only one may be without.
    let name: String?
    let range: Range<Int>
    /// Lists in the outermost list.
    let rowCount: Int
  }

  private static func value(_ name: String?, _ reader: inout JSONReader) throws(ProtocolError) -> Value {
    let start = reader
    guard try reader.peekKind() == .array else { return Value(name: name, range: try reader.skipValue(), rowCount: 0) }
    let first = reader.offset
    var rowCount = 0
    try reader.beginArray()
    while try reader.nextElement() {
      guard try reader.peekKind() == .array else {
        reader = start
        return Value(name: name, range: try reader.skipValue(), rowCount: 0)
      }
      try reader.skipValue()
      rowCount += 1
    }
    return Value(name: name, range: first..<reader.offset, rowCount: rowCount)
  }

  private static func tensors(_ reader: inout JSONReader, inRows: Bool) throws(ProtocolError) -> [Value] {
    let start = reader
    var count = 0
    if inRows {
      try reader.beginArray()
      guard try reader.nextElement() else { throw .fieldInvalid(field: "instances", expected: "a list of one or more") }
    }
    guard try reader.peekKind() == .object else {
      reader = start
      return [try value(nil, &reader)]
    }
    var tensors: [Value] = []
    try reader.beginObject()
    while let name = try reader.nextKey() {
      guard tensors.count < ProtocolLimits.tensorsMax else { throw .tooManyTensors(limit: ProtocolLimits.tensorsMax) }
      // In an instance the batch's dimension is missing.
      tensors.append(
        inRows ? Value(name: name, range: try reader.skipValue(), rowCount: 0) : try value(name, &reader))
    }
    if inRows {
      while try reader.nextElement() {
        try reader.skipValue()
        count += 1
      }
      guard count == 0 else { throw .fieldInvalid(field: "instances", expected: "one object; or give inputs") }
    }
    return tensors
  }
}
