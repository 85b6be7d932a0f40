import Tensors

extension InferenceResponse {
  /// The answer's body. Errors: a tensor whose bytes do not fit its shape, NaN or infinity in an output that goes out as
  /// JSON; both of status 500. It allocates at most `encodedBytesMax`.
  public func encoded() throws(ProtocolError) -> EncodedInference {
    if form != .openInference { return EncodedInference(json: try predictionJSON()) }
    var result = EncodedInference()
    var writer = JSONWriter()
    // In one piece: growth would hold the old and the new bytes at once. Pages that stay unused cost no memory.
    writer.bytes.reserveCapacity(encodedBytesMax)
    writer.beginObject()
    writer.member("model_name", modelName)
    writer.member("model_version", modelVersion)
    if let id { writer.member("id", id) }
    if profile != nil || effort != nil {
      writer.key("parameters")
      writer.beginObject()
      if let effort {
        writer.member("thimble_threads", effort.threadCount)
        writer.member("thimble_state", effort.state)
      }
      if let profile {
        writer.key("thimble_profile")
        writer.string(profile)
      }
      writer.endObject()
    }
    writer.key("outputs")
    writer.beginArray()
    for output in outputs { try output.write(to: &writer, parts: &result.parts) }
    writer.endArray()
    writer.endObject()
    result.json = writer.bytes
    if !result.parts.isEmpty { result.headerContentLength = result.json.count }
    return result
  }
}

extension InferenceOutput {
  func write(to writer: inout JSONWriter, parts: inout [EncodedInference.Part]) throws(ProtocolError) {
    let elements = try checkedElementCount()
    if let classification {
      writeClassification(classification, elements: elements, to: &writer, parts: &parts)
      return
    }
    writer.beginObject()
    writer.member("name", name)
    writer.member("datatype", elementType.name)
    writer.member("shape", shape.dimensions)
    if let shared {
      writer.key("parameters")
      writer.beginObject()
      shared.writeMembers(to: &writer)
      writer.endObject()
    } else if isBinary {
      writer.binaryDataSize(bytes.count)
      parts.append(.tensor(bytes))
    } else {
      writer.key("data")
      writer.beginArray()
      try writeElements(0..<elements, to: &writer)
      writer.endArray()
    }
    writer.endObject()
  }

  /// Elements of the shape, which the bytes must match.
  func checkedElementCount() throws(ProtocolError) -> Int {
    let elements = shape.checkedElementCount ?? -1
    if elementType == .bytes {
      guard elements >= 0, textCount == elements else {
        throw .bufferMismatch(tensor: name, expected: elements, actual: textCount ?? -1)
      }
      return elements
    }
    let (expected, overflow) = elements.multipliedReportingOverflow(by: elementType.byteCount)
    guard elements >= 0, !overflow, expected == bytes.count else {
      throw .bufferMismatch(tensor: name, expected: overflow ? Int.max : expected, actual: bytes.count)
    }
    return elements
  }

  func writeElements(_ range: Range<Int>, to writer: inout JSONWriter) throws(ProtocolError) {
    switch elementType {
    case .bool: for index in range { writer.bool(bytes[index] != 0) }
    case .float32:
      for index in range {
        let value = float(at: index)
        guard value.isFinite else { throw .outputNotFinite(output: name, index: index) }
        writer.float(value)
      }
    case .uint8, .int8, .int16, .int32, .int64: for index in range { writer.int(integer(at: index)) }
    case .bytes:
      var position = 0
      for index in 0..<range.upperBound {
        guard let text = bytes.text(at: &position) else { return }
        if index >= range.lowerBound { writer.string(String(decoding: text, as: UTF8.self)) }
      }
    }
  }

  /// Elements of BYTES; nil where they do not fill the bytes.
  private var textCount: Int? {
    var (count, position) = (0, 0)
    while position < bytes.count {
      guard bytes.text(at: &position) != nil else { return nil }
      count += 1
    }
    return count
  }

  // MARK: Elements

  /// The element of a float tensor. Precondition: the index is below the count that the bytes were checked for.
  func float(at index: Int) -> Float {
    Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)))
  }

  /// The element of an integer or Boolean tensor. Precondition: as for `float(at:)`.
  func integer(at index: Int) -> Int64 {
    switch elementType {
    case .uint8, .bytes: Int64(bytes[index])
    case .int8: Int64(Int8(bitPattern: bytes[index]))
    case .bool: bytes[index] == 0 ? 0 : 1
    case .int16: Int64(Int16(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 2, as: Int16.self)))
    case .int32, .float32: Int64(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 4, as: Int32.self)))
    case .int64: Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: Int64.self))
    }
  }
}

extension JSONWriter {
  mutating func binaryDataSize(_ count: Int) {
    key("parameters")
    beginObject()
    member("binary_data_size", count)
    endObject()
  }
}
