import Tensors

/// `GET /v1/models/M[/versions/V]`.
public struct ModelStatus: JSONWritable {
  public struct Version {
    public var number: String
    /// `LOADING`, `AVAILABLE` or `END`.
    public var state: String
    /// Why it is not available; empty where that is no failure.
    public var message: String

    public init(number: String, state: String, message: String) {
      self.number = number
      self.state = state
      self.message = message
    }
  }

  public var versions: [Version]

  public init(versions: [Version]) { self.versions = versions }

  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("model_version_status")
    writer.beginArray()
    for version in versions {
      writer.beginObject()
      writer.member("version", version.number)
      writer.member("state", version.state)
      writer.key("status")
      writer.beginObject()
      writer.member("error_code", version.message.isEmpty ? "OK" : "UNKNOWN")
      writer.member("error_message", version.message)
      writer.endObject()
      writer.endObject()
    }
    writer.endArray()
    writer.endObject()
  }
}

/// `GET /v1/models/M[/versions/V]/metadata`.
public struct TensorSignature: JSONWritable {
  /// The only one that models here have.
  public static let name = "serving_default"

  public var metadata: ModelMetadata

  public init(_ metadata: ModelMetadata) { self.metadata = metadata }

  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("model_spec")
    writer.beginObject()
    writer.member("name", metadata.name)
    writer.member("signature_name", "")
    writer.member("version", metadata.versions.last ?? "")
    writer.endObject()
    for key in ["metadata", "signature_def", "signature_def", TensorSignature.name] {
      writer.key(key)
      writer.beginObject()
    }
    write("inputs", metadata.inputs, to: &writer)
    write("outputs", metadata.outputs, to: &writer)
    writer.member("method_name", "tensorflow/serving/predict")
    for _ in 0..<5 { writer.endObject() }
  }

  private func write(_ name: String, _ tensors: [TensorMetadata], to writer: inout JSONWriter) {
    writer.key(name)
    writer.beginObject()
    for tensor in tensors {
      writer.key(tensor.name)
      writer.beginObject()
      writer.member("dtype", TensorSignature.type(tensor.elementType))
      writer.key("tensor_shape")
      writer.beginObject()
      writer.key("dim")
      writer.beginArray()
      for size in tensor.dimensions {
        writer.beginObject()
        writer.member("size", "\(size)")
        writer.member("name", "")
        writer.endObject()
      }
      writer.endArray()
      writer.key("unknown_rank")
      writer.bool(false)
      writer.endObject()
      writer.member("name", tensor.name)
      writer.endObject()
    }
    writer.endObject()
  }

  private static func type(_ elementType: ElementType) -> String {
    elementType == .float32 ? "DT_FLOAT" : "DT_" + elementType.name
  }
}
