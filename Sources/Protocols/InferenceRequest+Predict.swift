import Tensors

extension InferenceRequest {
  /// Parses the body of TensorFlow Serving's `:predict`, whose tensors have the types and shapes of the model's `inputs`.
  ///
  /// `instances` is a list with an element for each of the batch, or of one object with a member for each input; `inputs` is the
  /// tensor, or an object with a member for each. How arrays are nested is not checked, only how many elements there are.
  /// Errors: what is malformed, missing or contradictory, and a signature of another name, all of status 400.
  public init(predicting body: UnsafeRawBufferPointer, inputs ports: [TensorMetadata]) throws(ProtocolError) {
    var reader = JSONReader(body)
    var ranges: [(name: String?, range: Range<Int>)] = []
    var form: AnswerForm?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "instances", "inputs":
        guard form == nil else { throw .fieldInvalid(field: key, expected: "either instances or inputs, once") }
        form = key == "instances" ? .rows : .columns
        ranges = try InferenceRequest.tensors(&reader, inRows: form == .rows)
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
    guard ranges.count > 1 || ranges.first?.name != nil || ports.count == 1 else {
      throw .fieldInvalid(
        field: form == .rows ? "instances" : "inputs", expected: "an object with a member for each input")
    }
    for (name, range) in ranges {
      guard let port = ports.first(where: { $0.name == name ?? $0.name }) else {
        // For who knows the model to refuse.
        inputs.append(.init(name: name ?? "", elementType: .uint8, shape: Shape([]), payload: .json(range)))
        continue
      }
      guard !inputs.contains(where: { $0.name == port.name }) else { throw .tensorDuplicated(tensor: port.name) }
      let shape = Shape(port.dimensions)
      inputs.append(.init(name: port.name, elementType: port.elementType, shape: shape, payload: .json(range)))
    }
  }

  /// Where each tensor's value stands; the only one's may be without a name.
  private static func tensors(
    _ reader: inout JSONReader, inRows: Bool
  ) throws(ProtocolError) -> [(name: String?, range: Range<Int>)] {
    let start = reader
    var count = 0
    if inRows {
      try reader.beginArray()
      guard try reader.nextElement() else { throw .fieldInvalid(field: "instances", expected: "a list of one or more") }
    }
    guard try reader.peekKind() == .object else {
      reader = start
      return [(nil, try reader.skipValue())]
    }
    var tensors: [(name: String?, range: Range<Int>)] = []
    try reader.beginObject()
    while let name = try reader.nextKey() {
      guard tensors.count < ProtocolLimits.tensorsMax else { throw .tooManyTensors(limit: ProtocolLimits.tensorsMax) }
      tensors.append((name, try reader.skipValue()))
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
