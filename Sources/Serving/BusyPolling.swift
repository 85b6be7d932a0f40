/// Decides whether the event loop asks again and again for the next event before it sleeps (busy polling).
///
/// To wake a thread on a processor that sleeps takes 20 to 40 µs, as long as all else that a small request takes. A client that asks
/// anew as soon as it has its answer would wait for it each time; so while one does, and only then, the loop stays awake until it can have asked.
/// Several clients at once find the loop awake anyway.
struct BusyPolling: Sendable {
  /// To wake the client, and what it does from an answer to its next request.
  static let windowNanoseconds: Int64 = 100_000
  /// Of a wait in which the loop slept: the same, and its own waking.
  private static let quickNanoseconds: Int64 = 200_000
  private static let evidenceMin = 4
  private static let evidenceMax = 8

  /// Grows with each quick event from the client that asked last, and is halved by what is otherwise.
  private var evidence = 0
  private var lastToken: UInt64 = 0

  var isWorthwhile: Bool { evidence >= BusyPolling.evidenceMin }

  /// An event has come, so long after the loop began to wait. `isOnly`: alone.
  mutating func note(_ token: UInt64, isOnly: Bool, after nanoseconds: Int64) {
    if isOnly && token == lastToken && nanoseconds <= BusyPolling.quickNanoseconds {
      evidence = min(evidence + 1, BusyPolling.evidenceMax)
    } else {
      evidence /= 2
    }
    lastToken = token
  }

  /// It was asked for a whole window, and nothing came.
  mutating func noteVain() { evidence /= 2 }
}
