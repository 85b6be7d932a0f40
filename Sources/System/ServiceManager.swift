import CSystem

/// What the service manager that started this process passed in the environment: systemd, or one that speaks its protocol.
public struct ServiceEnvironment: Sendable {
  /// Where it wants to be told (NOTIFY_SOCKET); nil: nowhere.
  public var notifyPath: String?
  /// How long this process may say nothing before it is taken for dead (WATCHDOG_USEC); nil: for ever.
  public var watchdogMicros: Int64?
  /// The socket that it listens at for this process; nil: none.
  public var listeningDescriptor: Int32?

  /// The name that tells Thimble's socket from others where several are passed (`FileDescriptorName=`).
  public static let socketName = "thimble"
  /// SD_LISTEN_FDS_START
  private static let firstDescriptor: Int32 = 3

  public init() {}

  /// Reads the variables; those that are meant for another process do not count. Errors: several sockets of which none has
  /// the name (EINVAL).
  public init(
    process identifier: Int32, _ variable: (String) -> String? = { Process.environment($0) }
  ) throws(SystemError) {
    notifyPath = variable("NOTIFY_SOCKET").flatMap { $0.isEmpty ? nil : $0 }
    if let micros = Int64(variable("WATCHDOG_USEC") ?? ""), micros > 0,
      variable("WATCHDOG_PID").map({ $0 == "\(identifier)" }) ?? true
    {
      watchdogMicros = micros
    }
    guard variable("LISTEN_PID") == "\(identifier)", let count = Int32(variable("LISTEN_FDS") ?? ""), count > 0 else {
      return
    }
    let names = (variable("LISTEN_FDNAMES") ?? "").utf8.split(
      separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    let named = names.firstIndex { $0.elementsEqual(ServiceEnvironment.socketName.utf8) } ?? 0
    guard count == 1 || named > 0 || names.first?.elementsEqual(ServiceEnvironment.socketName.utf8) == true,
      named < count
    else {
      throw SystemError(
        "choose among the sockets from the service manager: none has FileDescriptorName=", "thimble", code: 22)
    }
    listeningDescriptor = ServiceEnvironment.firstDescriptor + Int32(named)
  }
}

/// Tells the service manager how this process is doing, as sd_notify(3) has it.
public final class ServiceManager: Sendable {
  private let path: String
  private let descriptor: Int32

  /// Errors: no more descriptors.
  public init(notifying path: String) throws(SystemError) {
    descriptor = try retrying("create a socket for", path) { thimble_datagrams_create() }
    self.path = path
  }

  deinit { _ = thimble_close(descriptor) }

  /// Sends lines of `NAME=value`. Errors: nobody receives; `wouldBlock` where it would have to wait and must not.
  public func tell(_ lines: String, waits: Bool = true) throws(SystemError) {
    let bytes = Array(lines.utf8)
    _ = try bytes.withUnsafeBufferPointer { (bytes) throws(SystemError) -> Int64 in
      guard let base = bytes.baseAddress else { return 0 }
      return try retrying("notify", path) { thimble_send_datagram(descriptor, path, base, bytes.count, waits) }
    }
  }
}
