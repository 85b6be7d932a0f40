import Tensors

extension InferenceResponse {
  /// A bound on what `encoded` allocates: the JSON and the classifications' binary parts, in bytes. Reserve so much of
  /// the memory budget first; tensors that go out as binary data are not copied and not counted.
  public var encodedBytesMax: Int {
    if form != .openInference { return outputs.reduce(64) { $0 + $1.predictionBytesMax } }
    let names = modelName.jsonBytesMax + modelVersion.jsonBytesMax + (id?.jsonBytesMax ?? 0)
    // Member names, brackets and commas take 64, those of a profile as much.
    let profile = profile.map { 64 + $0.jsonBytes } ?? 0
    // Two member names, brackets and a number.
    let effort = effort.map { 96 + $0.state.jsonBytesMax } ?? 0
    return outputs.reduce(64 + names + profile + effort) { $0 + $1.encodedBytesMax }
  }
}

extension InferenceOutput {
  /// A bound on this output's share where it is written in nested arrays: a name for each of the batch, brackets, a comma.
  fileprivate var predictionBytesMax: Int {
    var rows = 1
    var byteCount = bytes.count / elementType.byteCount * elementType.jsonBytesMax + 8
    for dimension in shape.dimensions {
      byteCount += 3 * rows
      rows = min(bytes.count + 1, rows * max(0, min(dimension, bytes.count + 1)))
    }
    return byteCount + (max(1, shape.dimensions.first ?? 1) + 1) * (name.jsonBytesMax + 8)
  }

  /// A bound on this output's share. Member names take 100, each size of the shape 21, `binary_data_size` 20.
  fileprivate var encodedBytesMax: Int {
    let frame = 120 + name.jsonBytesMax + 21 * (shape.rank + 1)
    if let classification { return frame + classification.encodedBytesMax(shape, elements: bytes.count) }
    if let shared { return frame + 120 + shared.region.jsonBytesMax }
    return isBinary ? frame : frame + bytes.count / elementType.byteCount * elementType.jsonBytesMax
  }
}

extension Classification {
  /// A bound on the texts, of which there are at most `count` for each of the batch and one for each element. Each has a
  /// value of at most 47 bytes, an index of 20, two colons, a label, and quotation marks and a comma or its length; the
  /// sorting takes another 16.
  fileprivate func encodedBytesMax(_ shape: Shape, elements: Int) -> Int {
    let rows = hasBatchDimension ? max(shape.dimensions.first ?? 1, 0) : 1
    let (wanted, overflow) = max(count, 0).multipliedReportingOverflow(by: rows)
    let label = labels.reduce(0) { max($0, $1.jsonBytesMax) }
    return min(overflow ? elements : wanted, elements) * (47 + 20 + 2 + 4 + 16 + label)
  }
}

extension ElementType {
  /// Bytes of the longest element in JSON, and a comma.
  fileprivate var jsonBytesMax: Int {
    switch self {
    case .uint8: 4
    case .int8: 5
    // Escaped; its length, which is one of four bytes, makes up for quotation marks and a comma.
    case .bool, .bytes: 6
    case .int16: 7
    case .int32: 12
    // −1.17549435e-38
    case .float32: 16
    case .int64: 21
    }
  }
}

extension [UInt8] {
  /// Bytes as a JSON string, of JSON text without control characters.
  fileprivate var jsonBytes: Int {
    reduce(2 + count) { $0 + ($1 == Byte.quote || $1 == Byte.backslash ? 1 : 0) }
  }
}

extension String {
  /// Bytes as a JSON string where all of it has to be escaped as `\u00XX`.
  fileprivate var jsonBytesMax: Int { 2 + 6 * utf8.count }
}
