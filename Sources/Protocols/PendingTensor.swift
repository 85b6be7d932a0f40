import Tensors

/// A tensor as the JSON gives it, before its bytes are placed.
struct PendingTensor {
  var name: String?
  var datatype: String?
  var dimensions: [Int]?
  var data: Range<Int>?
  /// At least 0.
  var binaryBytes: Int?
  private var shared = SharedMemoryParameters()

  /// An array of tensors.
  static func list(_ reader: inout JSONReader) throws(ProtocolError) -> [PendingTensor] {
    var tensors: [PendingTensor] = []
    try reader.beginArray()
    while try reader.nextElement() {
      guard tensors.count < ProtocolLimits.tensorsMax else { throw .tooManyTensors(limit: ProtocolLimits.tensorsMax) }
      tensors.append(try PendingTensor(&reader))
    }
    return tensors
  }

  /// Where each binary payload stands: one after another behind the JSON, leaving nothing. Empty for the others.
  static func binaryRanges(
    _ tensors: [PendingTensor], after headerBytes: Int, bodyBytes: Int
  ) throws(ProtocolError) -> [Range<Int>] {
    var position = headerBytes
    var ranges: [Range<Int>] = []
    for tensor in tensors {
      let size = tensor.binaryBytes ?? 0
      guard size <= bodyBytes - position else {
        let (declared, overflow) = (position - headerBytes).addingReportingOverflow(size)
        throw .binaryBytesMismatch(expected: overflow ? Int.max : declared, actual: bodyBytes - headerBytes)
      }
      ranges.append(position..<(position + size))
      position += size
    }
    guard position == bodyBytes else {
      throw .binaryBytesMismatch(expected: position - headerBytes, actual: bodyBytes - headerBytes)
    }
    return ranges
  }

  init(_ reader: inout JSONReader) throws(ProtocolError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "name": name = try reader.readString()
      case "datatype": datatype = try reader.readString()
      case "shape": dimensions = try PendingTensor.dimensions(&reader)
      case "data": data = try reader.peekKind() == .array ? reader.skipElements() : reader.skipValue()
      case "parameters": try readParameters(&reader)
      default: try reader.skipValue()
      }
    }
  }

  /// One size more than any shape may have is kept, so that the shape is found invalid once the tensor's name is known.
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
    shared = SharedMemoryParameters()
    try reader.beginObject()
    while let key = try reader.nextKey() {
      if key == "binary_data_size" {
        binaryBytes = try reader.readCount(of: key)
      } else if try !shared.read(key, &reader) {
        try reader.skipValue()
      }
    }
  }

  /// The tensor, whose binary payload is `binary` where it has one. Errors: missing or contradictory members.
  func tensor(binary: Range<Int>) throws(ProtocolError) -> InferenceTensor {
    guard let name else { throw .fieldMissing(field: "name", owner: "tensor") }
    guard let datatype else { throw .fieldMissing(field: "datatype", owner: name) }
    guard let dimensions else { throw .fieldMissing(field: "shape", owner: name) }
    guard let elementType = ElementType(name: datatype) else {
      let isKnown = PendingTensor.unsupportedDatatypes.contains(datatype)
      throw isKnown
        ? .datatypeUnsupported(tensor: name, datatype: datatype) : .datatypeUnknown(tensor: name, datatype: datatype)
    }
    let payload: InferencePayload
    switch (data, binaryBytes, try shared.reference(owner: name)) {
    case (let data?, nil, nil): payload = .json(data)
    case (nil, _?, nil): payload = .binary(binary)
    case (nil, nil, let reference?): payload = .shared(reference)
    case (nil, nil, nil): throw .fieldMissing(field: "data", owner: name)
    case (_?, _, nil): throw .fieldInvalid(field: "data", expected: "left out where binary_data_size is given")
    default:
      throw .fieldInvalid(field: "shared_memory_region", expected: "left out where data or binary_data_size is given")
    }
    let tensor = InferenceTensor(name: name, elementType: elementType, shape: Shape(dimensions), payload: payload)
    try tensor.checkSize()
    return tensor
  }

  /// Datatypes of the protocol that no operator here computes with.
  private static let unsupportedDatatypes = ["UINT16", "UINT32", "UINT64", "FP16", "BF16", "FP64"]
}
