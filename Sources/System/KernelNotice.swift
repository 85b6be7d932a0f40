import CSystem

/// Where the kernel says that a device or a file of its has changed: a descriptor that becomes ready.
public struct KernelNotice: ~Copyable, Sendable {
  public let descriptor: Int32
  /// What readiness looks like.
  public let interest: EventPoll.Interest

  private init(descriptor: Int32, interest: EventPoll.Interest) {
    self.descriptor = descriptor
    self.interest = interest
  }

  deinit { _ = thimble_close(descriptor) }

  /// The kernel's own messages of devices that come, go and change: `receive` gives each as texts that end with a zero.
  public static func deviceEvents() throws(SystemError) -> KernelNotice {
    // Group 1 is the kernel's; udevd's messages are group 2's.
    KernelNotice(
      descriptor: try retrying("watch", "kobject events") { thimble_netlink_open(Int32(THIMBLE_NETLINK_UEVENTS), 1) },
      interest: .readable)
  }

  /// A generic netlink socket, which hears nothing before it joins a group.
  public static func genericNetlink() throws(SystemError) -> KernelNotice {
    KernelNotice(
      descriptor: try retrying("watch", "generic netlink") {
        thimble_netlink_open(Int32(THIMBLE_NETLINK_GENERIC), 0)
      }, interest: .readable)
  }

  /// A file of sysfs whose driver says when it changes (POLLPRI). Errors: a file that cannot be waited for (EPERM).
  public init(changesOf path: String) throws(SystemError) {
    let descriptor = try retrying("watch", path) { thimble_open_read(path) }
    do throws(SystemError) { try EventPoll().add(descriptor, .priority, token: 0) } catch {
      _ = thimble_close(descriptor)
      throw SystemError("watch", path, code: error.code)
    }
    self.init(descriptor: descriptor, interest: .priority)
    rearm()
  }

  /// A file that somebody writes, such as a control group's limit (inotify).
  public init(writesTo path: String) throws(SystemError) {
    self.init(descriptor: try retrying("watch", path) { thimble_watch_create(path) }, interest: .readable)
  }

  /// Watches another file too: instances of inotify are few.
  public func add(writesTo path: String) throws(SystemError) {
    _ = try retrying("watch", path) { thimble_watch_add(descriptor, path) }
  }

  /// A folder in which files are written, renamed into place or removed (inotify).
  public init(filesOf directory: String) throws(SystemError) {
    self.init(
      descriptor: try retrying("watch", directory) { thimble_watch_directory(directory) }, interest: .readable)
  }

  /// Watches another folder too, or a watched one more closely: also what is made in it. Precondition: made with `filesOf`.
  public func add(filesOf directory: String) throws(SystemError) {
    _ = try retrying("watch", directory) { thimble_watch_more(descriptor, directory) }
  }

  public func join(group: UInt32) throws(SystemError) {
    _ = try retrying("join a netlink group") { thimble_netlink_join(descriptor, group) }
  }

  public func send(_ message: [UInt8]) throws(SystemError) {
    _ = try retrying("ask by netlink") {
      message.withUnsafeBufferPointer { thimble_write(descriptor, $0.baseAddress!, $0.count) }
    }
  }

  /// The next netlink message of the kernel's, cut to the buffer: 0 for one that somebody else has sent; nil where there is none
  /// left. Lost messages (ENOBUFS) are an error, after which more may come.
  public func receive(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int? {
    do throws(SystemError) {
      return Int(try retrying("hear") { thimble_netlink_receive(descriptor, buffer.baseAddress!, buffer.count) })
    } catch {
      if error.code == SystemError.wouldBlock { return nil }
      throw error
    }
  }

  /// Whether something has happened that has not been taken.
  public var isReady: Bool {
    let ready = thimble_poll_now(descriptor, interest.rawValue)
    return ready > 0 && UInt32(ready) & interest.rawValue != 0
  }

  /// Reads what a watched file has to say, so that the next change is a new one.
  public func rearm() {
    withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { buffer in
      if interest == .priority {
        _ = thimble_read_at(descriptor, buffer.baseAddress!, buffer.count, 0)
      } else {
        // An event of inotify has 16 bytes; bounded, as somebody may write without end.
        for _ in 0..<16 where thimble_read(descriptor, buffer.baseAddress!, buffer.count) < 1024 - 16 { return }
      }
    }
  }
}
