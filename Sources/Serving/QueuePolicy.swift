/// How a model's requests of one priority wait, with Triton's names.
struct QueuePolicy: Equatable, Sendable {
  /// What becomes of a request that has waited too long.
  enum TimeoutAction: Sendable {
    case reject
    /// It runs once no other of its priority waits.
    case delay
  }

  var timeoutAction = TimeoutAction.reject
  /// 0: as long as it takes.
  var timeoutMicros = 0
  /// Whether a request may ask for less time.
  var allowsTimeoutOverride = true
  /// Requests that may wait; 0: as many as the server lets wait.
  var requestsMax = 0

  /// How long a request waits that asks for `requested` µs, or for 0.
  func timeoutMicros(requested: Int) -> Int {
    guard allowsTimeoutOverride, requested > 0 else { return timeoutMicros }
    return timeoutMicros == 0 ? requested : min(timeoutMicros, requested)
  }
}

/// What a model's configuration says of priorities and of waiting.
struct QueueConfiguration: Equatable, Sendable {
  /// Priorities that requests may ask for, from 1, the highest; 0: none.
  var levelCount = 3
  /// That of a request that asks for none, or for one that there is not.
  var defaultLevel = 2
  var policy = QueuePolicy()
  /// In place of `policy`, by level.
  var policies: [(level: Int, policy: QueuePolicy)] = []
  var batches = BatchConfiguration()

  func level(_ requested: Int) -> Int { requested >= 1 && requested <= levelCount ? requested : defaultLevel }

  func policy(of level: Int) -> QueuePolicy { policies.first { $0.level == level }?.policy ?? policy }

  static func == (left: QueueConfiguration, right: QueueConfiguration) -> Bool {
    left.levelCount == right.levelCount && left.defaultLevel == right.defaultLevel && left.policy == right.policy
      && left.batches == right.batches
      && left.policies.elementsEqual(right.policies) { $0.level == $1.level && $0.policy == $1.policy }
  }
}
