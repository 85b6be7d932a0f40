import CSystem

/// A thread that runs a closure. It must be joined before it goes away.
public final class Thread: @unchecked Sendable {
  private final class Start {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// Bytes of stack a worker gets unless told otherwise: kernels keep little on the stack, and it counts in the budget.
  #if DEBUG
    // Without optimization a vector kernel keeps every intermediate value in its frame: a quarter of a MiB.
    public static let stackByteCount = 1024 * 1024
  #else
    public static let stackByteCount = 64 * 1024
  #endif

  private var handle = thimble_thread()

  public init(
    stackByteCount: Int = Thread.stackByteCount, _ body: @escaping @Sendable () -> Void
  ) throws(SystemError) {
    let start = Unmanaged.passRetained(Start(body))
    let result = thimble_thread_start(
      &handle, { Unmanaged<Start>.fromOpaque($0!).takeRetainedValue().body() }, start.toOpaque(), stackByteCount)
    if result < 0 {
      start.release()
      throw SystemError("start a thread", code: -result)
    }
  }

  public func join() { _ = thimble_thread_join(handle) }

  /// Lets the calling thread run on these processors only; none: on any that the process was started on.
  ///
  /// Returns whether the kernel agreed: it does not where none of them is online or allowed.
  @discardableResult
  public static func run(on processors: [Int32]) -> Bool {
    processors.withUnsafeBufferPointer { thimble_thread_run_on($0.baseAddress, Int32($0.count)) } == 0
  }

  /// A word of the calling thread's own, 0 at first: which of its owner's placements it has taken.
  public static var placement: UInt32 {
    get { thimble_thread_placement() }
    set { thimble_thread_set_placement(newValue) }
  }

  /// Processors this process may run on, at least 1.
  public static var usableProcessorCount: Int { max(1, Int(thimble_usable_processors())) }

  /// Processors that the process's first thread may run on, in order; empty where the kernel does not say. A first thread that
  /// has chosen a few with `run(on:)` shows only those.
  public static var usableProcessors: [Int] {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 64) { words in
      words.initialize(repeating: 0)
      var processors: [Int] = []
      for word in 0..<max(0, Int(thimble_usable_processor_bits(words.baseAddress!, Int32(words.count)))) {
        var bits = words[word]
        while bits != 0 {
          processors.append(64 * word + bits.trailingZeroBitCount)
          bits &= bits - 1
        }
      }
      return processors
    }
  }
}
