import Protocols
import Tensors

/// What clients send: none of it may trap, whatever it says.
enum ProtocolTargets {
  /// Requests as a connection takes them, one after another, in one piece and byte by byte: both must see the same.
  static func http(_ bytes: UnsafeRawBufferPointer) {
    let limits = HTTPLimits(headBytesMax: 4096, bodyBytesMax: 1 << 16)
    let whole = requests(bytes, limits, pieceByteCount: bytes.count)
    // In pieces it takes time that grows with the square.
    if bytes.count <= 256 {
      let pieces = requests(bytes, limits, pieceByteCount: 1)
      precondition(whole.isPrefix(of: pieces) || pieces.isPrefix(of: whole), "pieces are read as other requests")
    }
  }

  /// What a connection made of its bytes: heads, bodies' bytes, and the error that ended it.
  private struct Reading {
    var heads: [HTTPRequestHead] = []
    var bodyByteCount = 0
    var hasFailed = false

    func isPrefix(of other: Reading) -> Bool {
      heads.count <= other.heads.count && zip(heads, other.heads).allSatisfy { $0 == $1 }
        && (heads.count < other.heads.count || hasFailed == other.hasFailed && bodyByteCount == other.bodyByteCount)
    }
  }

  private static func requests(
    _ bytes: UnsafeRawBufferPointer, _ limits: HTTPLimits, pieceByteCount: Int
  ) -> Reading {
    var reading = Reading()
    var parser = HTTPRequestParser(limits: limits)
    var start = 0
    var decoder: HTTPBodyDecoder?
    var end = 0
    do throws(ProtocolError) {
      while end < bytes.count {
        end = min(bytes.count, end + max(1, pieceByteCount))
        while true {
          let received = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
          if var body = decoder {
            let event = try body.next(received)
            decoder = body
            switch event {
            case .needMore(let consumed): start += consumed
            case .payload(let range, let consumed):
              precondition(!range.isEmpty && range.upperBound == consumed && consumed <= received.count)
              reading.bodyByteCount += range.count
              start += consumed
              continue
            case .end(let consumed):
              start += consumed
              decoder = nil
              continue
            }
            break
          }
          guard case .head(let head, let consumed) = try parser.parse(received) else { break }
          precondition(consumed > 0 && consumed <= received.count)
          reading.heads.append(head)
          start += consumed
          _ = Route(method: head.method, path: head.path)
          decoder = try HTTPBodyDecoder(head.body, limits: limits)
        }
      }
    } catch {
      precondition(!error.message.isEmpty)
      reading.hasFailed = true
    }
    return reading
  }

  /// What the tree says, written again, must be read again as the same.
  static func json(_ bytes: UnsafeRawBufferPointer) {
    let isSkipped = isSkipped(bytes)
    let tree = try? JSON(parsing: bytes)
    // Trees have limits that skipping has not.
    precondition(tree == nil || isSkipped, "a tree of what cannot be skipped")
    if let tree {
      _ = (tree.int, tree.double, tree.bool, tree.string, tree.array?.count, tree.object?.count, tree["a"])
    }
    _ = try? PlanRequest(parsing: bytes)
    _ = try? RepositoryRequest(parsing: bytes)
  }

  private static func isSkipped(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var reader = JSONReader(bytes)
    do throws(ProtocolError) {
      try reader.skipValue()
      try reader.finish()
      return true
    } catch {
      return false
    }
  }

  /// An inference request: two bytes that say where its JSON ends (all set: there is no such header), then the body.
  static func infer(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 2 else { return }
    let length = Int(bytes[0]) | Int(bytes[1]) << 8
    let body = UnsafeRawBufferPointer(rebasing: bytes[2...])
    do throws(ProtocolError) {
      var request = try InferenceRequest(parsing: body, headerContentLength: length == 0xFFFF ? nil : length)
      if request.rawInput != nil {
        try request.bindRawInput(name: "x", elementType: .uint8, shape: Shape([1, body.count]))
      }
      try decode(request, body)
    } catch {
      precondition(!error.message.isEmpty)
    }
  }

  static func predict(_ bytes: UnsafeRawBufferPointer) {
    let ports = [
      TensorMetadata(name: "x", elementType: .uint8, dimensions: [1, 2, 3]),
      TensorMetadata(name: "y", elementType: .float32, dimensions: [2]),
    ]
    for ports in [ports, Array(ports.prefix(1))] {
      do throws(ProtocolError) {
        try decode(try InferenceRequest(predicting: bytes, inputs: ports), bytes)
      } catch {
        precondition(!error.message.isEmpty)
      }
    }
  }

  nonisolated(unsafe) private static let room = UnsafeMutableRawBufferPointer.allocate(
    byteCount: 1 << 16, alignment: 64)

  /// As a job does, into memory of the tensor's own size; larger ones no model of a few kilobytes has.
  private static func decode(_ request: InferenceRequest, _ body: UnsafeRawBufferPointer) throws(ProtocolError) {
    for input in request.inputs {
      if case .shared(let reference) = input.payload {
        _ = reference.range
        continue
      }
      let byteCount = input.byteCount
      guard byteCount <= room.count - 64 else { continue }
      room[byteCount] = 0xA5
      try input.decode(from: body, into: UnsafeMutableRawBufferPointer(rebasing: room[..<byteCount]))
      precondition(room[byteCount] == 0xA5, "written past the tensor")
    }
    for output in request.outputs { _ = output.shared?.range }
  }
}
