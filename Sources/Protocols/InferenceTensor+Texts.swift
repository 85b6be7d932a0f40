import Tensors

extension InferenceTensor {
  /// Calls `body` with the index and the bytes of each element of a BYTES tensor, in order; they are valid during the call. In JSON
  /// elements are strings, in arrays nested in any way; in binary each follows its length (UInt32, little-endian).
  ///
  /// - Throws: another number of elements than the shape's; lengths that do not fill the payload.
  public func forEachText(
    in source: UnsafeRawBufferPointer, _ body: (Int, UnsafeRawBufferPointer) throws(ProtocolError) -> Void
  ) throws(ProtocolError) {
    try checkSize()
    let range: Range<Int>
    switch payload {
    case .binary(let bytes): range = bytes
    case .shared(let reference):
      guard let bytes = reference.range else { throw .shapeInvalid(tensor: name) }
      range = bytes
    case .json(let text):
      return try forEachString(in: try slice(source, text), offset: text.lowerBound, body)
    }
    let bytes = try slice(source, range)
    var position = 0
    for index in 0..<shape.elementCount {
      guard let text = bytes.text(at: &position) else {
        throw .byteCountMismatch(tensor: name, expected: position + 4, actual: bytes.count)
      }
      try body(index, text)
    }
    guard position == bytes.count else {
      throw .byteCountMismatch(tensor: name, expected: position, actual: bytes.count)
    }
  }

  private func forEachString(
    in text: UnsafeRawBufferPointer, offset: Int,
    _ body: (Int, UnsafeRawBufferPointer) throws(ProtocolError) -> Void
  ) throws(ProtocolError) {
    do throws(ProtocolError) {
      try decodeElements(text) { (reader, index) throws(ProtocolError) in
        try reader.withStringBytes { (bytes) throws(ProtocolError) in try body(index, bytes) }
        return 1
      }
    } catch {
      guard case .json(let fault, let position) = error else { throw error }
      throw .json(fault, offset: offset + position)
    }
  }
}

extension UnsafeRawBufferPointer {
  /// A text behind its length, over which `position` moves; nil where it does not fit.
  func text(at position: inout Int) -> UnsafeRawBufferPointer? {
    guard position >= 0, count - position >= 4 else { return nil }
    let length = Int(UInt32(littleEndian: loadUnaligned(fromByteOffset: position, as: UInt32.self)))
    guard length <= count - position - 4 else { return nil }
    defer { position += 4 + length }
    return UnsafeRawBufferPointer(rebasing: self[position + 4..<position + 4 + length])
  }
}
