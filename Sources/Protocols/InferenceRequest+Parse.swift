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
    var pending: [PendingTensor]?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "id": id = try reader.readString()
      case "parameters": parameters = try InferenceParameters(&reader)
      case "inputs": pending = try PendingTensor.list(&reader)
      case "outputs": outputs = try InferenceRequest.outputs(&reader)
      default: try reader.skipValue()
      }
    }
    try reader.finish()
    guard let pending else { throw .fieldMissing(field: "inputs", owner: "request") }
    let ranges = try PendingTensor.binaryRanges(pending, after: headerBytes, bodyBytes: body.count)
    inputs.reserveCapacity(pending.count)
    for (entry, range) in zip(pending, ranges) {
      let input = try entry.tensor(binary: range)
      guard !inputs.contains(where: { $0.name == input.name }) else { throw .tensorDuplicated(tensor: input.name) }
      inputs.append(input)
    }
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
}

extension InferenceParameters {
  init(_ reader: inout JSONReader) throws(ProtocolError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "priority": priority = try reader.readCount(of: key)
      case "timeout": timeoutMicros = try reader.readCount(of: key)
      case "binary_data_output": binaryDataOutput = try reader.readFlag(of: key)
      case "sequence_id": sequenceID = try SequenceID(&reader, key)
      case "sequence_start": startsSequence = try reader.readFlag(of: key)
      case "sequence_end": endsSequence = try reader.readFlag(of: key)
      case "steps": stepCount = try reader.readCount(of: key)
      case "thimble_neighbors": neighborCount = try reader.readCount(of: key)
      case "thimble_profile": wantsProfile = try reader.readFlag(of: key)
      default: try reader.skipValue()
      }
    }
  }
}

extension SequenceID {
  /// A number, of which 0 is none, or a text, of which the empty one is none.
  init?(_ reader: inout JSONReader, _ field: String) throws(ProtocolError) {
    switch try reader.peekKind() {
    case .number:
      let number = try reader.readInteger()
      guard number != 0 else { return nil }
      self = .number(number)
    case .string:
      let text = try reader.readString()
      guard text.utf8.count <= ProtocolLimits.sequenceIDBytesMax else {
        throw .fieldInvalid(field: field, expected: "a text of at most \(ProtocolLimits.sequenceIDBytesMax) bytes")
      }
      guard !text.isEmpty else { return nil }
      self = .text(text)
    default: throw .fieldInvalid(field: field, expected: "a number or a text")
    }
  }
}

extension InferenceParameters {
  /// `parameters.thimble_routing_key`, a string, of a request of which `text` is the beginning; nil where that is not to be found.
  public static func routingKey(in text: UnsafeRawBufferPointer) -> String? {
    var reader = JSONReader(text)
    do throws(ProtocolError) {
      try reader.beginObject()
      while let key = try reader.nextKey() {
        guard key == "parameters" else {
          try reader.skipValue()
          continue
        }
        try reader.beginObject()
        while let parameter = try reader.nextKey() {
          if parameter == "thimble_routing_key" { return try reader.readString() }
          try reader.skipValue()
        }
      }
    } catch {}
    return nil
  }
}

extension InferenceOutputRequest {
  init(_ reader: inout JSONReader) throws(ProtocolError) {
    var name: String?
    var binaryData: Bool?
    var classificationCount = 0
    var shared = SharedMemoryParameters()
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "name": name = try reader.readString()
      case "parameters":
        (binaryData, classificationCount, shared) = (nil, 0, SharedMemoryParameters())
        try reader.beginObject()
        while let parameter = try reader.nextKey() {
          switch parameter {
          case "binary_data": binaryData = try reader.readFlag(of: parameter)
          case "classification": classificationCount = try reader.readCount(of: parameter)
          default: if try !shared.read(parameter, &reader) { try reader.skipValue() }
          }
        }
      default: try reader.skipValue()
      }
    }
    guard let name else { throw .fieldMissing(field: "name", owner: "output") }
    let reference = try shared.reference(owner: name)
    guard reference == nil || classificationCount == 0 else {
      throw .fieldInvalid(field: "classification", expected: "left out where shared_memory_region is given")
    }
    self.init(name: name, binaryData: binaryData, classificationCount: classificationCount, shared: reference)
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
