import Protocols

/// Whether requests of several clients run together, with Triton's names: weights are brought once for all of them.
struct BatchConfiguration: Equatable, Sendable {
  /// `max_batch_size`: requests that run together at most; 0: as many as is usual, 1: none.
  var countMax = 0
  /// `preferred_batch_size`: with the least of them nobody waits for more.
  var preferredCounts: [Int] = []
  /// `max_queue_delay_microseconds`: how long a request waits for others.
  var delayMicros = 0
  /// Whether `dynamic_batching` asks for it, where it saves nothing by itself.
  private(set) var isDynamic = false

  static let countMaxUsual = 8

  /// Requests that run together at most; 1: none. Without a word in the configuration those do that wait while the model's weights
  /// pass through memory for every run.
  func countMax(isStreaming: Bool) -> Int {
    guard isDynamic || isStreaming, countMax != 1 else { return 1 }
    return countMax > 0 ? countMax : max(preferredCounts.max() ?? 0, BatchConfiguration.countMaxUsual)
  }

  /// Rows that one request may bring: as Triton has it, no more than `max_batch_size`.
  var rowCountMax: Int { countMax > 0 ? countMax : ServingLimits.rowsMax }

  /// Requests with which nobody waits for more.
  func wantedCount(of countMax: Int) -> Int { min(countMax, preferredCounts.min() ?? countMax) }

  /// Reads the value of a member of `dynamic_batching`; returns whether it is one that concerns batches.
  mutating func read(_ key: String, _ reader: inout JSONReader) throws(ProtocolError) -> Bool {
    switch key {
    case "preferred_batch_size":
      guard try reader.peekKind() == .array else {
        throw .fieldInvalid(field: key, expected: "a list of sizes, such as [4, 8]")
      }
      preferredCounts = []
      try reader.beginArray()
      while try reader.nextElement() {
        let count = try reader.readNumber(of: key, in: 1...ServingLimits.batchMax)
        guard preferredCounts.count < ServingLimits.batchMax else {
          throw .fieldInvalid(field: key, expected: "at most \(ServingLimits.batchMax) sizes")
        }
        preferredCounts.append(count)
      }
      isDynamic = isDynamic || !preferredCounts.isEmpty
    case "max_queue_delay_microseconds":
      delayMicros = try reader.readNumber(of: key, in: 0...ServingLimits.batchDelayMicrosMax)
      isDynamic = true
    default: return false
    }
    return true
  }

  /// The members of `dynamic_batching`.
  func writeMembers(to writer: inout JSONWriter) {
    writer.member("preferred_batch_size", preferredCounts)
    writer.member("max_queue_delay_microseconds", delayMicros)
  }

  /// A bound on their bytes.
  var jsonBytesMax: Int { 96 + 21 * preferredCounts.count }
}

/// With whom a job that waits may run together.
struct BatchTerms: Sendable {
  /// Those of the same key may.
  let key: ObjectIdentifier
  let countMax: Int
  /// With so many nobody waits for more.
  let wantedCount: Int
  /// How long it waits for others.
  let delayNanoseconds: Int64
}
