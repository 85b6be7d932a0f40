import Tensors

/// An inference request as a client sends it: inputs always as binary data, which costs no conversion.
public struct InferenceClientRequest {
  /// A tensor to send.
  public struct Input {
    public var name: String
    public var elementType: ElementType
    public var shape: Shape
    /// The elements, little-endian and row-major. They must outlive the encoded request, which points to them.
    public var bytes: UnsafeRawBufferPointer
    /// Where the elements stand instead of in the request.
    public var shared: SharedMemoryReference?

    public init(
      name: String, elementType: ElementType, shape: Shape, bytes: UnsafeRawBufferPointer,
      shared: SharedMemoryReference? = nil
    ) {
      self.name = name
      self.elementType = elementType
      self.shape = shape
      self.bytes = bytes
      self.shared = shared
    }
  }

  public var id: String?
  public var parameters: InferenceParameters
  public var inputs: [Input]
  /// The outputs asked for; empty: all.
  public var outputs: [InferenceOutputRequest]

  public init(
    id: String? = nil, parameters: InferenceParameters = InferenceParameters(), inputs: [Input],
    outputs: [InferenceOutputRequest] = []
  ) {
    self.id = id
    self.parameters = parameters
    self.inputs = inputs
    self.outputs = outputs
  }

  /// The request's body. Tensors are not compared with their shapes; the server does that.
  public func encoded() -> EncodedInference {
    var result = EncodedInference()
    var writer = JSONWriter()
    writer.beginObject()
    if let id { writer.member("id", id) }
    writer.key("parameters")
    writer.beginObject()
    if parameters.priority != 0 { writer.member("priority", parameters.priority) }
    if parameters.timeoutMicros != 0 { writer.member("timeout", parameters.timeoutMicros) }
    writer.member("binary_data_output", parameters.binaryDataOutput)
    writer.endObject()
    writer.key("inputs")
    writer.beginArray()
    for input in inputs {
      writer.beginObject()
      writer.member("name", input.name)
      writer.member("datatype", input.elementType.name)
      writer.member("shape", input.shape.dimensions)
      if let shared = input.shared {
        writer.key("parameters")
        writer.beginObject()
        shared.writeMembers(to: &writer)
        writer.endObject()
      } else {
        writer.binaryDataSize(input.bytes.count)
        result.parts.append(.tensor(input.bytes))
      }
      writer.endObject()
    }
    writer.endArray()
    if !outputs.isEmpty { writer.member("outputs", outputs) }
    writer.endObject()
    result.json = writer.bytes
    result.headerContentLength = result.json.count
    return result
  }
}

extension InferenceOutputRequest: JSONWritable {
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("name", name)
    if binaryData != nil || classificationCount > 0 || shared != nil {
      writer.key("parameters")
      writer.beginObject()
      if let binaryData { writer.member("binary_data", binaryData) }
      if classificationCount > 0 { writer.member("classification", classificationCount) }
      shared?.writeMembers(to: &writer)
      writer.endObject()
    }
    writer.endObject()
  }
}
