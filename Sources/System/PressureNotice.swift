import CSystem

/// One of the kernel's notices of memory pressure: a descriptor that becomes ready when something has happened.
public struct PressureNotice: ~Copyable, Sendable {
  public let descriptor: Int32
  /// What readiness looks like.
  public let interest: EventPoll.Interest
  /// A second descriptor that keeps the notice alive; −1 where there is none.
  private let companion: Int32
  /// Whether readiness lasts until what is there has been read.
  private let isRead: Bool

  private init(descriptor: Int32, interest: EventPoll.Interest, companion: Int32 = -1, isRead: Bool = true) {
    self.descriptor = descriptor
    self.interest = interest
    self.companion = companion
    self.isRead = isRead
  }

  deinit {
    _ = thimble_close(descriptor)
    if companion >= 0 { _ = thimble_close(companion) }
  }

  /// A pressure stall trigger (PSI): `text` is written to the file, such as `some 200000 2000000` for 0.2 s of stalls in
  /// 2 s. Without privileges the window must be a multiple of 2 s.
  public init(triggerAt path: String, text: [UInt8]) throws(SystemError) {
    let descriptor = try text.withUnsafeBufferPointer { (text) throws(SystemError) -> Int32 in
      try retrying("watch", path) { thimble_open_trigger(path, text.baseAddress, text.count) }
    }
    self.init(descriptor: descriptor, interest: .priority, isRead: false)
  }

  /// A named pipe that somebody writes to when memory is short.
  public init(pipeAt path: String) throws(SystemError) {
    self.init(
      descriptor: try retrying("watch", path) { thimble_open_trigger(path, nil, 0) }, interest: .readable)
  }

  /// A file of counters that the kernel marks as modified when one of them grows, as version 2's `memory.events`.
  public init(modificationsOf path: String) throws(SystemError) {
    self.init(descriptor: try retrying("watch", path) { thimble_watch_create(path) }, interest: .readable)
  }

  /// A version 1 memory group's `memory.pressure_level`: `level` is low, medium or critical.
  public init(levelOfGroup directory: String, level: String) throws(SystemError) {
    let file = directory + "/memory.pressure_level"
    let event = try retrying("create an event") { thimble_event_create() }
    let source = thimble_open_read(file)
    let control = source < 0 ? source : thimble_open_write(directory + "/cgroup.event_control")
    var result = control
    if control >= 0 {
      let line = Array("\(event) \(source) \(level)".utf8)
      result = Int32(line.withUnsafeBufferPointer { thimble_write(control, $0.baseAddress!, $0.count) })
      _ = thimble_close(control)
    }
    guard result >= 0 else {
      _ = thimble_close(event)
      if source >= 0 { _ = thimble_close(source) }
      throw SystemError("watch", file, code: -result)
    }
    self.init(descriptor: event, interest: .readable, companion: source)
  }

  /// Whether something has happened since this was last asked.
  public func take() -> Bool {
    let ready = thimble_poll_now(descriptor, interest.rawValue)
    // A trigger that is gone shows as ready too.
    guard ready > 0, UInt32(ready) & interest.rawValue != 0, UInt32(ready) & UInt32(THIMBLE_ERROR) == 0 else {
      return false
    }
    if isRead { drain() }
    return true
  }

  /// Whether nothing will happen any more: the group is gone.
  public var isGone: Bool {
    let ready = thimble_poll_now(descriptor, interest.rawValue)
    return ready > 0 && UInt32(ready) & UInt32(THIMBLE_ERROR) != 0
  }

  /// Reads what is there; bounded, as somebody may write without end.
  private func drain() {
    for _ in 0..<16 {
      let count = withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) {
        thimble_read(descriptor, $0.baseAddress!, $0.count)
      }
      // An event's counter is read whole; what has less than there was room for is empty.
      if count < 1024 { return }
    }
  }
}
