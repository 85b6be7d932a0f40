import Memory

/// One operator made ready to run: shapes, kernels and places are resolved, nothing is looked up or allocated.
///
/// Every thread calls `run` for every step with its own `part`; a barrier stands between steps.
protocol Step: AnyObject {
  /// Whether a run does all of the context's inferences: where weights come, they are then brought once. Other steps are called
  /// for each inference.
  var runsTogether: Bool { get }

  func run(_ context: borrowing StepContext, part: Int, of parts: Int)

  /// The same in a recorded run.
  func run(_ context: borrowing StepContext, part: Int, of parts: Int, clock: inout OperatorClock)
}

extension Step {
  var runsTogether: Bool { false }

  /// The step of all inferences.
  func runAll(_ context: borrowing StepContext, part: Int, of parts: Int) {
    if context.inferenceCount == 1 || runsTogether { return run(context, part: part, of: parts) }
    for inference in 0..<context.inferenceCount { run(context.only(inference), part: part, of: parts) }
  }

  func run(_ context: borrowing StepContext, part: Int, of parts: Int, clock: inout OperatorClock) {
    clock.begin(clock.beginStep(operatorCount: 1))
    run(context, part: part, of: parts)
    clock.finish()
  }
}

/// A step that can also give its output piece by piece.
protocol RowStep: Step {
  /// Rows of the output.
  var rowCount: Int { get }

  /// Computes these rows of the output; the rows of the operands that they need are there.
  func run(_ context: borrowing StepContext, rows: Range<Int>, part: Int, of parts: Int)
}

extension RowStep {
  func run(_ context: borrowing StepContext, part: Int, of parts: Int) {
    run(context, rows: 0..<rowCount, part: part, of: parts)
  }
}

/// What a step finds when it runs.
struct StepContext: ~Copyable {
  /// Start of the activations; of several inferences, of the first one's.
  let arena: UnsafeMutableRawPointer
  /// Where all threads wait for each other.
  let barrier: Barrier
  /// The weights, where some pass through memory.
  let streaming: WeightStore?
  /// Inferences that run together, and bytes from one's activations to the next one's.
  var inferenceCount = 1
  var inferenceByteCount = 0

  /// One of the inferences by itself.
  func only(_ inference: Int) -> StepContext {
    StepContext(arena: arena + inference * inferenceByteCount, barrier: barrier, streaming: streaming)
  }

  /// Waits for the other threads.
  func wait(part: Int) { barrier.wait(helping: streaming, part: part) }
}

/// The share of `count` items that falls to one part, in whole multiples of `unit`.
@inline(__always)
func share(_ count: Int, unit: Int = 1, part: Int, of parts: Int) -> Range<Int> {
  let units = (count + unit - 1) / unit
  let start = min(count, units * part / parts * unit)
  let end = min(count, units * (part + 1) / parts * unit)
  return start..<end
}

/// The share of a range.
@inline(__always)
func share(_ range: Range<Int>, unit: Int = 1, part: Int, of parts: Int) -> Range<Int> {
  let share = share(range.count, unit: unit, part: part, of: parts)
  return range.lowerBound + share.lowerBound..<range.lowerBound + share.upperBound
}
