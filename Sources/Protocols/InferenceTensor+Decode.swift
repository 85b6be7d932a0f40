import Tensors

extension InferenceTensor {
  /// Writes the elements, little-endian and row-major, over all of `destination`. For a `shared` payload `body` is the region.
  ///
  /// JSON arrays may be nested in any way; elements count in the order of the text. Integers may be written as `3.0`;
  /// FP32 takes any number and rounds to nearest; BOOL takes true and false, and in binary any byte, of which all but 0
  /// become 1. Errors: another number of elements than the shape's, elements that the type does not hold, a destination
  /// or body of another size. After an error the destination's bytes mean nothing. Nothing is allocated.
  public func decode(
    from body: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer
  ) throws(ProtocolError) {
    try checkSize()
    guard elementType != .bytes else { throw .datatypeUnsupported(tensor: name, datatype: elementType.name) }
    guard destination.count == byteCount else {
      throw .bufferMismatch(tensor: name, expected: byteCount, actual: destination.count)
    }
    switch payload {
    case .binary(let range): try copy(try slice(body, range), into: destination)
    case .shared(let reference):
      guard let range = reference.range else { throw .shapeInvalid(tensor: name) }
      try copy(try slice(body, range), into: destination)
    case .json(let range): try decodeJSON(try slice(body, range), offset: range.lowerBound, into: destination)
    }
  }

  func slice(
    _ body: UnsafeRawBufferPointer, _ range: Range<Int>
  ) throws(ProtocolError) -> UnsafeRawBufferPointer {
    guard range.lowerBound >= 0, range.upperBound <= body.count else {
      throw .bufferMismatch(tensor: name, expected: range.upperBound, actual: body.count)
    }
    return UnsafeRawBufferPointer(rebasing: body[range])
  }

  private func copy(
    _ source: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer
  ) throws(ProtocolError) {
    guard elementType == .bool else { return destination.copyMemory(from: source) }
    for index in 0..<source.count { destination[index] = source[index] == 0 ? 0 : 1 }
  }

  // MARK: JSON

  private func decodeJSON(
    _ text: UnsafeRawBufferPointer, offset: Int, into destination: UnsafeMutableRawBufferPointer
  ) throws(ProtocolError) {
    do throws(ProtocolError) {
      switch elementType {
      case .uint8: try decodeIntegers(text, as: UInt8.self, into: destination)
      case .int8: try decodeIntegers(text, as: Int8.self, into: destination)
      case .int16: try decodeIntegers(text, as: Int16.self, into: destination)
      case .int32: try decodeIntegers(text, as: Int32.self, into: destination)
      case .int64: try decodeIntegers(text, as: Int64.self, into: destination)
      case .float32:
        try decodeElements(text) { (reader, index) throws(ProtocolError) in
          let bits = try reader.readFloat().bitPattern.littleEndian
          destination.storeBytes(of: bits, toByteOffset: index * 4, as: UInt32.self)
          return 1
        }
      case .bool:
        try decodeElements(text) { (reader, index) throws(ProtocolError) in
          destination[index] = try reader.readBool() ? 1 : 0
          return 1
        }
      case .bytes: throw .datatypeUnsupported(tensor: name, datatype: elementType.name)
      }
    } catch {
      // Offsets are of the body, as the parser's are.
      guard case .json(let fault, let position) = error else { throw error }
      throw .json(fault, offset: offset + position)
    }
  }

  @inline(__always)
  private func decodeIntegers<Element: FixedWidthInteger & BitwiseCopyable>(
    _ text: UnsafeRawBufferPointer, as type: Element.Type, into destination: UnsafeMutableRawBufferPointer
  ) throws(ProtocolError) {
    let count = shape.elementCount
    try decodeElements(text) { (reader, first) throws(ProtocolError) in
      var index = first
      repeat {
        let wide: Int64?
        if let short = reader.scanShortInteger() {
          wide = Int64(short)
        } else {
          let number = try reader.scanNumber()
          if let integer = number.int64 { wide = integer } else { wide = Int64(integral: try reader.double(number)) }
        }
        guard let wide, let element = Element(exactly: wide) else {
          throw .elementInvalid(tensor: name, index: index, elementType: elementType)
        }
        let offset = index * MemoryLayout<Element>.size
        destination.storeBytes(of: element.littleEndian, toByteOffset: offset, as: Element.self)
        index += 1
      } while index < count && reader.skipToNextNumber()
      return index - first
    }
  }

  /// Calls `store` with the reader at each element, with indices below the shape's count; it returns how many it has taken, one or,
  /// where more follow behind commas, some of those.
  ///
  /// ```
  /// after [    a value, [ or ]
  /// after ,    a value or [
  /// after a value or ]    , or ]
  /// ```
  @inline(__always)
  func decodeElements(
    _ text: UnsafeRawBufferPointer, store: (inout JSONReader, Int) throws(ProtocolError) -> Int
  ) throws(ProtocolError) {
    var reader = JSONReader(text)
    let count = shape.elementCount
    var index = 0
    var depth = 0
    var expectsValue = true
    var mayClose = false
    repeat {
      switch reader.nextByte() {
      case Byte.openBracket where expectsValue:
        guard depth < ProtocolLimits.jsonDepthMax else { throw .json(.tooDeep, offset: reader.offset) }
        depth += 1
        reader.offset += 1
        mayClose = true
      case Byte.closeBracket where mayClose && depth > 0:
        depth -= 1
        reader.offset += 1
        expectsValue = false
      case Byte.comma where !expectsValue:
        reader.offset += 1
        expectsValue = true
        mayClose = false
      default:
        guard depth > 0 else { throw reader.fault(.expectedArray) }
        guard expectsValue else { throw reader.fault(.expectedCommaOrEnd) }
        guard index < count else { throw try tooMany(&reader, count) }
        index += try store(&reader, index)
        expectsValue = false
        mayClose = true
      }
    } while depth > 0
    try reader.finish()
    guard index == count else { throw .elementCountMismatch(tensor: name, expected: count, actual: index) }
  }

  /// The error for elements beyond the shape's, which are checked and counted.
  private func tooMany(_ reader: inout JSONReader, _ count: Int) throws(ProtocolError) -> ProtocolError {
    var actual = count
    while true {
      switch reader.nextByte() {
      case Byte.openBracket, Byte.closeBracket, Byte.comma: reader.offset += 1
      case 0: return .elementCountMismatch(tensor: name, expected: count, actual: actual)
      default:
        try reader.skipValue()
        actual += 1
      }
    }
  }
}
