import System

/// Work for the worker thread. The event loop makes it and looks at it again once it is finished; in between it is the
/// worker's alone.
class QueuedJob: @unchecked Sendable {
  /// The connection that waits for it.
  let connection: UInt64
  let receivedNanoseconds = Clock.nowNanoseconds
  /// When it is too late to start, on the monotonic clock. The event loop's alone.
  var deadlineNanoseconds = Int64.max
  /// When it may start: a promised rate is kept, not outrun. Set before it is submitted.
  var earliestNanoseconds: Int64 = 0
  /// Nil: no request. Set before it is submitted; then the queue's alone until it is finished.
  var ticket: JobTicket?
  /// Whether it computes enough to warm the machine: then it takes part in pauses.
  var isPaced: Bool { false }

  /// Whether all that came before it has to have run: also what waits for its time.
  var runsAfterAll: Bool { false }

  /// With whom it may run; nil: with nobody. Set before it is submitted.
  var batchTerms: BatchTerms?

  init(connection: UInt64) { self.connection = connection }

  /// Does the work, on the worker thread.
  func run() {}

  /// Does its work and that of others that may run together with it, on the worker thread.
  func run(with others: [QueuedJob]) {
    run()
    for other in others { other.run() }
  }

  /// Takes note of the result, on the event loop's thread; returns what to answer.
  func finish(_ server: Server) -> Answer { .empty }
}
