import Protocols
import Tensors

/// An input or an output asked for, as a message describes it.
struct CallTensor {
  var name = ""
  /// Nil of an output.
  var datatype: String?
  var dimensions: [Int64] = []
  var parameters = CallParameters()
  /// Where elements stand by type; a message in several pieces counts as one.
  var contents: [Range<Int>] = []

  /// Whether its elements stand in memory that the client shares.
  var isShared: Bool { parameters["shared_memory_region"] != nil }

  /// Name 1, datatype 2, shape 3, parameters 4, contents 5.
  init(input bytes: UnsafeRawBufferPointer, _ range: Range<Int>) throws(CallError) {
    var datatype = ""
    var reader = ProtobufReader(bytes, range)
    while let field = try reader.next() {
      switch (field.number, field.value) {
      case (1, .bytes(let range)): name = try reader.text(range)
      case (2, .bytes(let range)): datatype = try reader.text(range)
      case (3, .varint(let size)): try addDimension(size)
      case (3, .bytes(let range)):
        var sizes = ProtobufReader(bytes, range)
        while !sizes.isAtEnd { try addDimension(try sizes.readVarint()) }
      case (4, .bytes(let range)): try parameters.add(bytes, range)
      case (5, .bytes(let range)):
        guard contents.count < CallLimits.tensorsMax else { throw .malformed }
        contents.append(range)
      default: break
      }
    }
    self.datatype = datatype
  }

  private mutating func addDimension(_ size: UInt64) throws(CallError) {
    guard dimensions.count < CallLimits.dimensionsMax else {
      throw .init(.invalidArgument, "input \(name) has more than \(CallLimits.dimensionsMax) dimensions")
    }
    dimensions.append(Int64(bitPattern: size))
  }

  /// Name 1, parameters 2.
  init(output bytes: UnsafeRawBufferPointer, _ range: Range<Int>) throws(CallError) {
    var reader = ProtobufReader(bytes, range)
    while let field = try reader.next() {
      guard let range = field.range else { continue }
      if field.number == 1 { name = try reader.text(range) }
      if field.number == 2 { try parameters.add(bytes, range) }
    }
  }

  /// As the daemon takes it. `byteCount`: of the raw tensor that follows the JSON.
  func write(byteCount: Int?, to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("name", name)
    if let datatype {
      writer.member("datatype", datatype)
      writer.member("shape", dimensions.map { Int($0) })
    }
    parameters.write(byteCount.map { [JSONMember("binary_data_size", .int(Int64($0)))] } ?? [], to: &writer)
    writer.endObject()
  }
}
