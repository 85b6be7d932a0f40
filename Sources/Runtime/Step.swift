/// One operator made ready to run: shapes, kernels and places are resolved, nothing is looked up or allocated.
///
/// Every thread calls `run` for every step with its own `part`; a barrier stands between steps.
protocol Step: AnyObject {
  func run(_ context: borrowing StepContext, part: Int, of parts: Int)
}

/// What a step finds when it runs.
struct StepContext: ~Copyable {
  /// Start of the activations.
  let arena: UnsafeMutableRawPointer
  /// Where all threads wait for each other.
  let barrier: Barrier
}

/// Where a tensor's bytes are: in the arena, or outside it for constants.
struct TensorPlace {
  private let constant: UnsafeRawPointer?
  private let offset: Int

  init(arenaOffset: Int) {
    constant = nil
    offset = arenaOffset
  }

  init(constant: UnsafeRawPointer) {
    self.constant = constant
    offset = 0
  }

  func read(_ context: borrowing StepContext) -> UnsafePointer<UInt8> {
    (constant ?? UnsafeRawPointer(context.arena + offset)).assumingMemoryBound(to: UInt8.self)
  }

  /// Precondition: the tensor is not constant.
  func write(_ context: borrowing StepContext) -> UnsafeMutablePointer<UInt8> {
    (context.arena + offset).assumingMemoryBound(to: UInt8.self)
  }

  var arenaOffset: Int? { constant == nil ? offset : nil }
}

/// The share of `count` items that falls to one part, in whole multiples of `unit`.
@inline(__always)
func share(_ count: Int, unit: Int = 1, part: Int, of parts: Int) -> Range<Int> {
  let units = (count + unit - 1) / unit
  let start = min(count, units * part / parts * unit)
  let end = min(count, units * (part + 1) / parts * unit)
  return start..<end
}
