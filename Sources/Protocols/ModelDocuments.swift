import Tensors

/// `GET /v2/models`.
public struct ModelList: JSONWritable, Equatable, Sendable {
  public var models: [String]

  public init(models: [String]) { self.models = models }

  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("models", models)
    writer.endObject()
  }
}

/// An input or output as `ModelMetadata` describes it.
public struct TensorMetadata: JSONWritable, Equatable, Sendable {
  public var name: String
  public var elementType: ElementType
  /// Sizes; -1 stands for any, as for a batch.
  public var dimensions: [Int]

  public init(name: String, elementType: ElementType, dimensions: [Int]) {
    self.name = name
    self.elementType = elementType
    self.dimensions = dimensions
  }

  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("name", name)
    writer.member("datatype", elementType.name)
    writer.member("shape", dimensions)
    writer.endObject()
  }
}

/// `GET /v2/models/M[/versions/V]`.
public struct ModelMetadata: JSONWritable, Equatable, Sendable {
  public var name: String
  public var versions: [String]
  public var platform: String
  public var inputs: [TensorMetadata]
  public var outputs: [TensorMetadata]

  public init(
    name: String, versions: [String], platform: String, inputs: [TensorMetadata], outputs: [TensorMetadata]
  ) {
    self.name = name
    self.versions = versions
    self.platform = platform
    self.inputs = inputs
    self.outputs = outputs
  }

  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("name", name)
    writer.member("versions", versions)
    writer.member("platform", platform)
    writer.member("inputs", inputs)
    writer.member("outputs", outputs)
    writer.endObject()
  }
}

/// `GET /v2/models/M[/versions/V]/ready`.
public struct ModelReadiness: JSONWritable, Equatable, Sendable {
  public var name: String
  public var isReady: Bool

  public init(name: String, isReady: Bool) {
    self.name = name
    self.isReady = isReady
  }

  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("name", name)
    writer.member("ready", isReady)
    writer.endObject()
  }
}

extension JSONWriter {
  mutating func member<Value: JSONWritable>(_ name: String, _ values: [Value]) {
    key(name)
    beginArray()
    for value in values { value.write(to: &self) }
    endArray()
  }
}
