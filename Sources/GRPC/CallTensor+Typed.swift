import Tensors

/// Elements in fields of their type: `InferTensorContents`.
extension CallTensor {
  /// The field that has elements of a type.
  private static func field(_ type: ElementType) -> (number: Int, name: String) {
    switch type {
    case .bool: (1, "bool_contents")
    case .int8, .int16, .int32: (2, "int_contents")
    case .int64: (3, "int64_contents")
    case .uint8: (4, "uint_contents")
    case .float32: (6, "fp32_contents")
    case .bytes: (8, "bytes_contents")
    }
  }

  /// The elements, little-endian. Errors: elements in another type's field, those that the type does not hold, over `byteCountMax`
  /// bytes.
  func typedBytes(_ bytes: UnsafeRawBufferPointer, byteCountMax: Int) throws(CallError) -> [UInt8] {
    guard let type = ElementType(name: datatype ?? "") else {
      throw .init(.invalidArgument, "input \(name) is of type \(datatype ?? ""), which no model here takes")
    }
    let expected = CallTensor.field(type)
    var elements: [UInt8] = []
    for range in contents {
      var reader = ProtobufReader(bytes, range)
      while let field = try reader.next() {
        guard field.number == expected.number else {
          if field.range?.isEmpty == true { continue }
          throw .init(
            .invalidArgument, "input \(name) is of type \(type.name): its elements belong into \(expected.name)")
        }
        switch field.value {
        case .varint(let value): try append(value, type, to: &elements)
        case .fixed32(let bits) where type == .float32: CallTensor.append(bits, to: &elements)
        case .bytes(let range) where type == .bytes:
          // As in raw contents: each behind its length.
          CallTensor.append(UInt32(truncatingIfNeeded: range.count), to: &elements)
          elements.append(contentsOf: bytes[range])
        case .bytes(let range): try append(packed: ProtobufReader(bytes, range), type, to: &elements, byteCountMax)
        case .fixed32, .fixed64: throw .malformed
        }
        guard elements.count <= byteCountMax else { throw tooLarge(byteCountMax) }
      }
    }
    return elements
  }

  private func append(
    packed reader: ProtobufReader, _ type: ElementType, to elements: inout [UInt8], _ byteCountMax: Int
  ) throws(CallError) {
    var reader = reader
    while !reader.isAtEnd {
      if type == .float32 {
        CallTensor.append(try reader.readFixed(UInt32.self), to: &elements)
      } else {
        try append(try reader.readVarint(), type, to: &elements)
      }
      guard elements.count <= byteCountMax else { throw tooLarge(byteCountMax) }
    }
  }

  private func append(_ value: UInt64, _ type: ElementType, to elements: inout [UInt8]) throws(CallError) {
    let signed = Int64(bitPattern: value)
    switch type {
    case .bool: elements.append(value == 0 ? 0 : 1)
    case .uint8:
      guard let element = UInt8(exactly: value) else { throw outOfRange(type) }
      elements.append(element)
    case .int8:
      guard let element = Int8(exactly: signed) else { throw outOfRange(type) }
      elements.append(UInt8(bitPattern: element))
    case .int16:
      guard let element = Int16(exactly: signed) else { throw outOfRange(type) }
      CallTensor.append(UInt16(bitPattern: element), to: &elements)
    case .int32:
      guard let element = Int32(exactly: signed) else { throw outOfRange(type) }
      CallTensor.append(UInt32(bitPattern: element), to: &elements)
    case .int64: CallTensor.append(value, to: &elements)
    case .float32, .bytes: throw .malformed
    }
  }

  private static func append<Number: FixedWidthInteger & BitwiseCopyable>(_ value: Number, to elements: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { elements.append(contentsOf: $0) }
  }

  private func outOfRange(_ type: ElementType) -> CallError {
    .init(.invalidArgument, "input \(name) has elements that \(type.name) does not hold")
  }

  private func tooLarge(_ byteCountMax: Int) -> CallError {
    .init(
      .resourceExhausted,
      "the elements of input \(name) take more than \(byteCountMax) bytes: send them as raw_input_contents")
  }
}
