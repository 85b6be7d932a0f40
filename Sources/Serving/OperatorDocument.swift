import Memory
import Protocols
import Runtime
import Tensors

/// What one operator of a profile is, as JSON members of an object that is open.
public enum OperatorDocument {
  public static func write(
    _ summary: Session.OperatorSummary, _ weights: WeightResidency, to json: inout JSONWriter
  ) {
    json.member("name", summary.name)
    let window = summary.windowText
    if !window.isEmpty { json.member("window", window) }
    json.member("shape", summary.outputShape.dimensions)
    if let chain = summary.chain { json.member("chain", chain) }
    json.member("multiply_adds", summary.multiplyAdds)
    json.member("tensor_bytes", summary.tensorByteCount)
    guard summary.hasWeights else { return }
    json.member("in_place_weight_bytes", weights.inPlaceByteCount)
    json.member("resident_weight_bytes", weights.residentByteCount)
    json.member("streamed_weight_bytes", weights.streamedByteCount)
  }
}
