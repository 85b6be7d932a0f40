import Protocols

/// Memory that clients share: Triton's system shared memory extension, and the same with descriptors that are passed.
extension Server {
  func sharedMemory(
    _ connection: Connection, _ kind: SharedMemoryKind, _ action: SharedMemoryAction
  ) throws(ServingError) -> Answer {
    switch action {
    case .status(let name):
      let status: SharedMemoryStatus
      do { status = try regions.status(kind, name, for: connection.client) } catch { throw .sharedMemory(error) }
      return try hold(status.jsonBytesMax) { status.write(to: &$0) }
    case .unregister(let name): regions.unregister(kind, name, for: connection.client)
    case .register(let name): try register(name, kind, for: connection)
    }
    return .empty
  }

  private func register(_ name: String, _ kind: SharedMemoryKind, for connection: Connection) throws(ServingError) {
    guard let body = connection.body else { throw .malformed(.fieldMissing(field: "byte_size", owner: "request")) }
    let request: SharedMemoryRequest
    do { request = try SharedMemoryRequest(parsing: body.bytes) } catch { throw .malformed(error) }
    try checkMemory(connection, adding: request.byteCount)
    do throws(ServingError) {
      switch kind {
      case .system: try regions.register(name, request, for: connection.client)
      case .passed:
        switch connection.passed {
        case .some(let file): try regions.register(name, request, passed: file, for: connection.client)
        case .none: throw .sharedMemory(.noDescriptor)
        }
      }
    } catch {
      guard case .memory(let error) = error else { throw error }
      throw residents.refusal(error, sparing: nil)
    }
  }
}

extension SharedMemoryStatus {
  var jsonBytesMax: Int {
    regions.reduce(2) { $0 + 96 + $1.name.jsonByteCount + ($1.request.key?.jsonByteCount ?? 0) }
  }
}
