import Protocols
import System
import Tensors
import ThimbleClient

/// How `infer` says what came back.
enum InferenceReport {
  static func printText(_ result: ClientResult, nanoseconds: Int64) {
    Console.line(
      "\(result.modelName) version \(result.modelVersion)  \(Console.fixed(Double(nanoseconds) / 1e6, 2)) ms")
    for output in result.outputs {
      switch output {
      case .classes(let name, let classes):
        Console.line("  \(name)")
        for entry in classes {
          let padding = String(repeating: " ", count: max(0, 10 - entry.value.utf8.count))
          Console.line("  \(padding)\(entry.value)  \(entry.index)\(entry.label.map { "  " + $0 } ?? "")")
        }
      case .tensor(let tensor):
        Console.line("  \(tensor.name)  \(tensor.elementType.name) \(tensor.shape.description)  \(summary(tensor))")
      }
    }
  }

  static func printJSON(_ result: ClientResult) {
    var json = JSONWriter()
    json.beginObject()
    json.member("model_name", result.modelName)
    json.member("model_version", result.modelVersion)
    json.key("outputs")
    json.beginArray()
    for output in result.outputs {
      json.beginObject()
      json.member("name", output.name)
      switch output {
      case .classes(_, let classes): write(classes, to: &json)
      case .tensor(let tensor):
        json.member("datatype", tensor.elementType.name)
        json.member("shape", tensor.shape.dimensions)
        json.key("data")
        json.beginArray()
        for index in 0..<tensor.shape.elementCount {
          if tensor.elementType == .float32 {
            json.float(float(tensor, index))
          } else {
            json.int(integer(tensor, index))
          }
        }
        json.endArray()
      }
      json.endObject()
    }
    json.endArray()
    json.endObject()
    Console.line(String(decoding: json.bytes, as: UTF8.self))
  }

  private static func write(_ classes: [ClientClass], to json: inout JSONWriter) {
    json.key("classes")
    json.beginArray()
    for entry in classes {
      json.beginObject()
      json.key("value")
      json.double(Double(entry.value) ?? .nan)
      json.member("index", entry.index)
      if let label = entry.label { json.member("label", label) }
      json.endObject()
    }
    json.endArray()
  }

  /// Writes each output's raw bytes to `directory/NAME.bin`.
  static func write(_ result: ClientResult, to directory: String) throws(CommandError) {
    do throws(SystemError) {
      try FileSystem.createDirectory(directory)
      for case .tensor(let tensor) in result.outputs {
        // A name is the model's author's: its slashes must not lead elsewhere.
        let name = tensor.name.utf8.map { $0 == UInt8(ascii: "/") ? UInt8(ascii: "_") : $0 }
        let file = try File(creating: directory + "/" + String(decoding: name, as: UTF8.self) + ".bin")
        try tensor.bytes.withUnsafeBufferPointer { (bytes) throws(SystemError) in
          try file.write(UnsafeRawBufferPointer(bytes))
        }
      }
    } catch {
      throw .failure(error.message)
    }
  }

  // MARK: Elements

  private static func summary(_ tensor: ClientTensor) -> String {
    let count = tensor.shape.elementCount
    guard count > 0 else { return "empty" }
    var highest = 0
    for index in 0..<count where value(tensor, index) > value(tensor, highest) { highest = index }
    var text = ""
    for index in 0..<min(count, 8) { text += (index == 0 ? "" : " ") + elementText(tensor, index) }
    return text + (count > 8 ? " …" : "") + "  highest \(elementText(tensor, highest)) at \(highest)"
  }

  private static func elementText(_ tensor: ClientTensor, _ index: Int) -> String {
    tensor.elementType == .float32 ? Console.fixed(Double(float(tensor, index)), 4) : "\(integer(tensor, index))"
  }

  private static func value(_ tensor: ClientTensor, _ index: Int) -> Double {
    tensor.elementType == .float32 ? Double(float(tensor, index)) : Double(integer(tensor, index))
  }

  private static func float(_ tensor: ClientTensor, _ index: Int) -> Float {
    Float(bitPattern: UInt32(truncatingIfNeeded: bits(tensor, index)))
  }

  private static func integer(_ tensor: ClientTensor, _ index: Int) -> Int64 {
    let bits = bits(tensor, index)
    return switch tensor.elementType {
    case .uint8, .bool, .bytes: Int64(bits)
    case .int8: Int64(Int8(truncatingIfNeeded: bits))
    case .int16: Int64(Int16(truncatingIfNeeded: bits))
    case .int32, .float32: Int64(Int32(truncatingIfNeeded: bits))
    case .int64: Int64(bitPattern: bits)
    }
  }

  /// The little-endian bytes of an element.
  private static func bits(_ tensor: ClientTensor, _ index: Int) -> UInt64 {
    let size = tensor.elementType.byteCount
    var bits: UInt64 = 0
    for byte in 0..<size { bits |= UInt64(tensor.bytes[index * size + byte]) << UInt64(8 * byte) }
    return bits
  }
}
