import Protocols

extension ClientResult {
  /// Reads the answer to an inference request.
  init(_ reply: ClientConnection.Reply) throws(ClientError) {
    do throws(ProtocolError) {
      self = try withBytes(reply.body) { (body) throws(ProtocolError) in
        let response = try InferenceClientResponse(
          parsing: body, headerContentLength: reply.head.inferenceHeaderContentLength)
        var outputs: [Output] = []
        for output in response.outputs {
          switch output {
          case .strings(let name, _, let texts):
            outputs.append(.classes(name: name, texts.compactMap { ClientClass($0) }))
          case .tensor(let tensor): outputs.append(.tensor(try ClientTensor(tensor, body)))
          }
        }
        return ClientResult(
          modelName: response.modelName, modelVersion: response.modelVersion, id: response.id, outputs: outputs)
      }
    } catch {
      throw .malformed(error)
    }
  }
}

extension ClientTensor {
  fileprivate init(_ tensor: InferenceTensor, _ body: UnsafeRawBufferPointer) throws(ProtocolError) {
    if case .shared(let reference) = tensor.payload {
      self.init(name: tensor.name, elementType: tensor.elementType, shape: tensor.shape, shared: reference)
      return
    }
    // A JSON answer's shape promises elements that need not be there.
    guard tensor.byteCount <= 16 * body.count else {
      throw .bufferMismatch(tensor: tensor.name, expected: tensor.byteCount, actual: body.count)
    }
    var bytes = [UInt8](repeating: 0, count: tensor.byteCount)
    try bytes.withUnsafeMutableBufferPointer { (buffer) throws(ProtocolError) in
      try tensor.decode(from: body, into: UnsafeMutableRawBufferPointer(buffer))
    }
    self.init(name: tensor.name, elementType: tensor.elementType, shape: tensor.shape, bytes: bytes)
  }
}
