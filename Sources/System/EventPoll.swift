import CSystem

/// Waits for events on many descriptors (epoll). A descriptor is known by a token of the caller's.
public struct EventPoll: ~Copyable, Sendable {
  public struct Interest: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let readable = Interest(rawValue: UInt32(THIMBLE_READABLE))
    /// Something out of the ordinary: a pressure trigger's event.
    public static let priority = Interest(rawValue: UInt32(THIMBLE_PRIORITY))
    public static let writable = Interest(rawValue: UInt32(THIMBLE_WRITABLE))
    /// The peer has shut down its sending half.
    public static let peerClosed = Interest(rawValue: UInt32(THIMBLE_PEER_CLOSED))
    /// Reported whether asked for or not.
    public static let failed = Interest(rawValue: UInt32(THIMBLE_ERROR | THIMBLE_HANG_UP))
  }

  public struct Event: Sendable {
    public let token: UInt64
    public let ready: Interest
    /// Whether nothing else was ready.
    public let isOnly: Bool
  }

  private let descriptor: Int32

  public init() throws(SystemError) { descriptor = try retrying("create an event poll") { thimble_poll_create() } }

  deinit { _ = thimble_close(descriptor) }

  public func add(_ fd: Int32, _ interest: Interest, token: UInt64) throws(SystemError) {
    _ = try retrying("watch") { thimble_poll_add(descriptor, fd, interest.rawValue, token) }
  }

  public func change(_ fd: Int32, _ interest: Interest, token: UInt64) throws(SystemError) {
    _ = try retrying("watch") { thimble_poll_change(descriptor, fd, interest.rawValue, token) }
  }

  public func remove(_ fd: Int32) { _ = thimble_poll_remove(descriptor, fd) }

  /// Waits for at most the timeout (−1: for ever) and calls `body` for each event. Returns whether there was one.
  @discardableResult
  public func wait(timeoutMilliseconds: Int32, _ body: (Event) -> Void) throws(SystemError) -> Bool {
    try withUnsafeTemporaryAllocation(of: thimble_event.self, capacity: 32) { (events) throws(SystemError) in
      let count = try retrying("wait for events") {
        thimble_poll_wait(descriptor, events.baseAddress!, Int32(events.count), timeoutMilliseconds)
      }
      for event in events[0..<Int(count)] {
        body(Event(token: event.token, ready: Interest(rawValue: event.events), isOnly: count == 1))
      }
      return count > 0
    }
  }
}

/// Wakes an event poll from another thread.
public struct WakeUp: ~Copyable, Sendable {
  public let descriptor: Int32

  public init() throws(SystemError) { descriptor = try retrying("create an event") { thimble_event_create() } }

  deinit { _ = thimble_close(descriptor) }

  public func signal() { _ = thimble_event_signal(descriptor) }
  public func clear() { _ = thimble_event_clear(descriptor) }
}

/// SIGTERM and SIGINT, and SIGHUP where it is taken, as readable events. Create it before other threads start, so that they
/// inherit the blocked mask.
public struct TerminationSignals: ~Copyable, Sendable {
  public let descriptor: Int32

  public init(takesHangUp: Bool = false) throws(SystemError) {
    descriptor = try retrying("watch signals") { thimble_signals_create(takesHangUp) }
  }

  /// SIGHUP
  public static let hangUp: Int32 = 1

  deinit { _ = thimble_close(descriptor) }

  /// The number of a signal that has come, nil where none has.
  public func next() -> Int32? {
    let result = thimble_signals_read(descriptor)
    return result > 0 ? result : nil
  }
}
