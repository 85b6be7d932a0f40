import Protocols
import Tensors

/// A line of a batch job as a request.
enum BatchRequest {
  /// A request gets the priority where it says none; an array is taken for the data of the model's only input.
  static func text(_ line: [UInt8], inputs: [TensorMetadata], priority: Int) throws(ProtocolError) -> [UInt8] {
    try line.withUnsafeBufferPointer { (bytes) throws(ProtocolError) -> [UInt8] in
      var reader = JSONReader(UnsafeRawBufferPointer(bytes))
      guard try reader.peekKind() == .array else { return try prioritized(line, &reader, priority) }
      guard inputs.count == 1, let input = inputs.first else {
        throw .fieldInvalid(field: "line", expected: "a request with \"inputs\": the model has \(inputs.count)")
      }
      var writer = JSONWriter()
      writer.beginObject()
      writer.key("parameters")
      writer.beginObject()
      if priority > 0 { writer.member("priority", priority) }
      writer.endObject()
      writer.key("inputs")
      writer.beginArray()
      writer.beginObject()
      writer.member("name", input.name)
      writer.member("datatype", input.elementType.name)
      writer.member("shape", input.dimensions)
      writer.key("data")
      let range = try reader.skipValue()
      try reader.finish()
      writer.raw(Array(line[range]))
      writer.endObject()
      writer.endArray()
      writer.endObject()
      return writer.bytes
    }
  }

  private static func prioritized(
    _ line: [UInt8], _ reader: inout JSONReader, _ priority: Int
  ) throws(ProtocolError) -> [UInt8] {
    guard priority > 0 else { return line }
    var parameters: Range<Int>?
    var brace: Int?
    try reader.beginObject()
    brace = line.firstIndex(of: UInt8(ascii: "{"))
    var isEmpty = true
    while let key = try reader.nextKey() {
      isEmpty = false
      let range = try reader.skipValue()
      if key == "parameters" { parameters = range }
    }
    try reader.finish()
    var addition = Array("\"priority\":\(priority)".utf8)
    if let parameters {
      let found = try line[parameters].withUnsafeBufferPointer { (bytes) throws(ProtocolError) -> (Bool, Bool) in
        var inner = JSONReader(UnsafeRawBufferPointer(bytes))
        var (has, isEmpty) = (false, true)
        try inner.beginObject()
        while let key = try inner.nextKey() {
          (has, isEmpty) = (has || key == "priority", false)
          try inner.skipValue()
        }
        return (has, isEmpty)
      }
      if found.0 { return line }
      brace = line[parameters].firstIndex(of: UInt8(ascii: "{"))
      isEmpty = found.1
    } else {
      addition = Array("\"parameters\":{".utf8) + addition + [UInt8(ascii: "}")]
    }
    guard let brace else { return line }
    if !isEmpty { addition.append(UInt8(ascii: ",")) }
    return Array(line[...brace]) + addition + Array(line[(brace + 1)...])
  }
}
