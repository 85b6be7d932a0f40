import CNghttp2
import GRPC

/// Header fields to be sent.
struct HeaderBlock {
  private var text: [UInt8] = []
  private var fields: [(name: Range<Int>, value: Range<Int>)] = []

  mutating func add(_ name: String, _ value: String) { add(name, Array(value.utf8)) }

  mutating func add(_ name: String, _ value: [UInt8]) {
    let start = text.count
    text.append(contentsOf: name.utf8)
    let middle = text.count
    text += value
    fields.append((start..<middle, middle..<text.count))
  }

  /// An answer's head; with an error it is all of the answer.
  static func answer(_ ending: CallError?) -> HeaderBlock {
    var block = HeaderBlock()
    block.add(":status", "200")
    block.add("content-type", "application/grpc")
    if let ending { block.add(ending) }
    return block
  }

  /// What comes after the last message.
  static func ending(_ ending: CallError) -> HeaderBlock {
    var block = HeaderBlock()
    block.add(ending)
    return block
  }

  private mutating func add(_ ending: CallError) {
    add("grpc-status", "\(ending.status.rawValue)")
    if !ending.message.isEmpty { add("grpc-message", ending.headerText) }
    // Which coding of messages is understood, for those who try another.
    if ending.status == .unimplemented { add("grpc-accept-encoding", "identity") }
  }

  /// The library copies what it is given.
  func withFields<Result>(_ body: (UnsafePointer<nghttp2_nv>, Int) -> Result) -> Result {
    var text = text
    return text.withUnsafeMutableBufferPointer { bytes in
      let base = bytes.baseAddress!
      let pairs = fields.map { field in
        nghttp2_nv(
          name: base + field.name.lowerBound, value: base + field.value.lowerBound, namelen: field.name.count,
          valuelen: field.value.count, flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
      }
      return pairs.withUnsafeBufferPointer { body($0.baseAddress!, $0.count) }
    }
  }
}
