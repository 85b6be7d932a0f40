import Runtime
import Tensors

extension [Session.Port] {
  /// Whether requests for these ports suit those.
  func isAlike(_ other: [Session.Port]) -> Bool {
    count == other.count
      && zip(self, other).allSatisfy {
        $0.name == $1.name && $0.elementType == $1.elementType && $0.shape == $1.shape
      }
  }
}
