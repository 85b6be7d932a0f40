/// How much effort runs may take now. Whoever decides it changes it at any time; runs read it when they start.
struct ComputeEffort: Equatable, Sendable {
  /// Threads of one run, at least 1.
  var threadLimit = Int.max
  /// Where they run; none: anywhere.
  var processors: [Int] = []
  /// Whether threads turn for a while before they park.
  var spins = true
  /// What answers say: the governor's state; nil where nobody governs.
  var state: String?
}
