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

  /// Processors this process may run on, at least 1.
  public static var usableProcessorCount: Int { max(1, Int(thimble_usable_processors())) }
}
