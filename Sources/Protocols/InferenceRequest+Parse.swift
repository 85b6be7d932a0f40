import Tensors

extension InferenceRequest {
  /// Parses a request's body.
  ///
  /// `headerContentLength` is the header `Inference-Header-Content-Length`: how many bytes of the body are JSON. Raw
  /// tensors follow in the order of the inputs that have `binary_data_size`. Nil: all is JSON. 0: all is one raw tensor.
  /// The ranges of the result are of `body`. Unknown members and parameters are ignored; a member given twice counts
  /// the last time. Errors: what is malformed, missing or contradictory, all of status 400.
  public init(parsing body: UnsafeRawBufferPointer, headerContentLength: Int? = nil) throws(ProtocolError) {
    let headerBytes = headerContentLength ?? body.count
    guard headerBytes >= 0, headerBytes <= body.count else {
      throw .headerLengthInvalid(headerBytes: headerBytes, bodyBytes: body.count)
    }
    if headerContentLength == 0 {
      rawInput = 0..<body.count
      // There is no other way to ask for it, and who sends raw bytes can read them.
      parameters.binaryDataOutput = true
      return
    }
    var reader = JSONReader(UnsafeRawBufferPointer(rebasing: body[..<headerBytes]))
    var pending: [PendingInput]?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "id": id = try reader.readString()
      case "parameters": parameters = try InferenceParameters(&reader)
      case "inputs": pending = try InferenceRequest.inputs(&reader)
      case "outputs": outputs = try InferenceRequest.outputs(&reader)
      default: try reader.skipValue()
      }
    }
    try reader.finish()
    guard let pending else { throw .fieldMissing(field: "inputs", owner: "request") }
    try place(pending, after: headerBytes, bodyBytes: body.count)
  }

  private static func inputs(_ reader: inout JSONReader) throws(ProtocolError) -> [PendingInput] {
    var inputs: [PendingInput] = []
    try reader.beginArray()
    while try reader.nextElement() {
      guard inputs.count < ProtocolLimits.tensorsMax else { throw .tooManyTensors(limit: ProtocolLimits.tensorsMax) }
      inputs.append(try PendingInput(&reader))
    }
    return inputs
  }

  private static func outputs(_ reader: inout JSONReader) throws(ProtocolError) -> [InferenceOutputRequest] {
    var outputs: [InferenceOutputRequest] = []
    try reader.beginArray()
    while try reader.nextElement() {
      guard outputs.count < ProtocolLimits.tensorsMax else { throw .tooManyTensors(limit: ProtocolLimits.tensorsMax) }
      outputs.append(try InferenceOutputRequest(&reader))
    }
    return outputs
  }

  /// Says where each binary payload stands: one after another behind the JSON, leaving nothing.
  private mutating func place(
    _ pending: [PendingInput], after headerBytes: Int, bodyBytes: Int
  ) throws(ProtocolError) {
    var position = headerBytes
    inputs.reserveCapacity(pending.count)
    for entry in pending {
      var range = 0..<0
      if let size = entry.binaryBytes {
        guard size <= bodyBytes - position else {
          let (declared, overflow) = (position - headerBytes).addingReportingOverflow(size)
          throw .binaryBytesMismatch(expected: overflow ? Int.max : declared, actual: bodyBytes - headerBytes)
        }
        range = position..<(position + size)
        position += size
      }
      let input = try entry.input(binary: range)
      guard !inputs.contains(where: { $0.name == input.name }) else { throw .inputDuplicated(input: input.name) }
      inputs.append(input)
    }
    guard position == bodyBytes else {
      throw .binaryBytesMismatch(expected: position - headerBytes, actual: bodyBytes - headerBytes)
    }
  }
}

/// An input as the JSON gives it, before its bytes are placed.
private struct PendingInput {
  var name: String?
  var datatype: String?
  var dimensions: [Int]?
  var data: Range<Int>?
  /// At least 0.
  var binaryBytes: Int?

  init(_ reader: inout JSONReader) throws(ProtocolError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "name": name = try reader.readString()
      case "datatype": datatype = try reader.readString()
      case "shape": dimensions = try PendingInput.dimensions(&reader)
      case "data": data = try reader.skipValue()
      case "parameters": try readParameters(&reader)
      default: try reader.skipValue()
      }
    }
  }

  /// One size more than any shape may have is kept, so that the shape is found invalid once the input's name is known.
  private static func dimensions(_ reader: inout JSONReader) throws(ProtocolError) -> [Int] {
    var dimensions: [Int] = []
    try reader.beginArray()
    while try reader.nextElement() {
      let dimension = Int(try reader.readInteger())
      if dimensions.count <= Shape.rankMax { dimensions.append(dimension) }
    }
    return dimensions
  }

  private mutating func readParameters(_ reader: inout JSONReader) throws(ProtocolError) {
    binaryBytes = nil
    try reader.beginObject()
    while let key = try reader.nextKey() {
      if key == "binary_data_size" {
        binaryBytes = try reader.readCount(of: key)
      } else {
        try reader.skipValue()
      }
    }
  }

  func input(binary: Range<Int>) throws(ProtocolError) -> InferenceInput {
    guard let name else { throw .fieldMissing(field: "name", owner: "input") }
    guard let datatype else { throw .fieldMissing(field: "datatype", owner: name) }
    guard let dimensions else { throw .fieldMissing(field: "shape", owner: name) }
    guard let elementType = ElementType(name: datatype) else {
      let isKnown = PendingInput.unsupportedDatatypes.contains(datatype)
      throw isKnown
        ? .datatypeUnsupported(input: name, datatype: datatype) : .datatypeUnknown(input: name, datatype: datatype)
    }
    let payload: InferencePayload
    switch (data, binaryBytes) {
    case (let data?, nil): payload = .json(data)
    case (nil, _?): payload = .binary(binary)
    case (nil, nil): throw .fieldMissing(field: "data", owner: name)
    case (_?, _?): throw .fieldInvalid(field: "data", expected: "left out where binary_data_size is given")
    }
    let input = InferenceInput(name: name, elementType: elementType, shape: Shape(dimensions), payload: payload)
    try input.checkSize()
    return input
  }

  /// Datatypes of the protocol that no operator here computes with.
  private static let unsupportedDatatypes = ["UINT16", "UINT32", "UINT64", "FP16", "BF16", "FP64", "BYTES"]
}

extension InferenceParameters {
  init(_ reader: inout JSONReader) throws(ProtocolError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "priority": priority = try reader.readCount(of: key)
      case "timeout": timeoutMicros = try reader.readCount(of: key)
      case "binary_data_output": binaryDataOutput = try reader.readFlag(of: key)
      default: try reader.skipValue()
      }
    }
  }
}

extension InferenceOutputRequest {
  init(_ reader: inout JSONReader) throws(ProtocolError) {
    var name: String?
    var binaryData: Bool?
    var classificationCount = 0
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "name": name = try reader.readString()
      case "parameters":
        (binaryData, classificationCount) = (nil, 0)
        try reader.beginObject()
        while let parameter = try reader.nextKey() {
          switch parameter {
          case "binary_data": binaryData = try reader.readFlag(of: parameter)
          case "classification": classificationCount = try reader.readCount(of: parameter)
          default: try reader.skipValue()
          }
        }
      default: try reader.skipValue()
      }
    }
    guard let name else { throw .fieldMissing(field: "name", owner: "output") }
    self.init(name: name, binaryData: binaryData, classificationCount: classificationCount)
  }
}

extension JSONReader {
  /// An integer of at least 0, the value of the member `field`.
  mutating func readCount(of field: String) throws(ProtocolError) -> Int {
    guard try peekKind() == .number, let value = Int(exactly: try readInteger()), value >= 0 else {
      throw .fieldInvalid(field: field, expected: "an integer of at least 0")
    }
    return value
  }

  /// true or false, the value of the member `field`.
  mutating func readFlag(of field: String) throws(ProtocolError) -> Bool {
    guard try peekKind() == .bool else { throw .fieldInvalid(field: field, expected: "true or false") }
    return try readBool()
  }
}
