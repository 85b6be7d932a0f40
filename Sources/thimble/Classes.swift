import Runtime
import System
import Tensors

/// The most likely classes of an output whose elements are scores.
enum Classes {
  /// Lines such as `  653  0.8046  military uniform`, the best first; equal scores in index order. Outputs that are not
  /// one row of scores give none.
  static func lines(of bytes: [UInt8], _ port: Session.Port, count: Int, name: (Int) -> String?) -> [String] {
    guard port.shape.elementCount == port.shape.dimensions.last, let scores = scores(bytes, port) else { return [] }
    let order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
    return order.prefix(count).map { index in
      let number = "\(index)"
      let label = name(index).map { "  " + $0 } ?? ""
      return String(repeating: " ", count: max(1, 7 - number.utf8.count)) + number + "  "
        + Console.fixed(scores[index], 4) + label
    }
  }

  /// Elements as reals; nil for element types that are no scores.
  static func scores(_ bytes: [UInt8], _ port: Session.Port) -> [Double]? {
    switch port.elementType {
    case .uint8, .int8:
      let scale = Double(port.quantization?.scale ?? 1)
      let zeroPoint = Int(port.quantization?.zeroPoint ?? 0)
      return bytes.map { scale * Double((port.elementType == .int8 ? Int(Int8(bitPattern: $0)) : Int($0)) - zeroPoint) }
    case .float32:
      return bytes.withUnsafeBytes { raw in
        stride(from: 0, to: raw.count, by: 4).map { Double(raw.loadUnaligned(fromByteOffset: $0, as: Float.self)) }
      }
    default: return nil
    }
  }
}
