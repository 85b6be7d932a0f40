import ModelFile
import Runtime

/// What tells whether two sessions compute the same.
enum OutputHash {
  /// XXH64 of all outputs' bytes for `RandomInputs`, one after the other, in hexadecimal.
  static func text(_ session: Session) -> String {
    RandomInputs.fill(session)
    session.run()
    var bytes = [UInt8](repeating: 0, count: session.outputs.reduce(0) { $0 + $1.byteCount })
    bytes.withUnsafeMutableBytes { all in
      var offset = 0
      for (index, port) in session.outputs.enumerated() {
        session.readOutput(index, into: UnsafeMutableRawBufferPointer(rebasing: all[offset..<offset + port.byteCount]))
        offset += port.byteCount
      }
    }
    return String(bytes.withUnsafeBytes { xxh64($0) }, radix: 16)
  }
}
