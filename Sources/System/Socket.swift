import CSystem

/// A Unix or TCP stream socket or another pollable descriptor, closed when it goes out of scope.
public struct Socket: ~Copyable, Sendable {
  public let descriptor: Int32

  private init(adopting descriptor: Int32) { self.descriptor = descriptor }

  /// Listens at `path`, which must not exist. Only the owner and group may connect with the default mode.
  public init(listeningAt path: String, backlog: Int32 = 128, mode: UInt32 = 0o660) throws(SystemError) {
    self.init(adopting: try retrying("listen at", path) { thimble_listen(path, backlog, mode) })
  }

  /// Listens for TCP connections over IPv4; the most significant byte of `host` is the first of the four. Port 0: any that is free.
  public init(listeningAtHost host: UInt32, port: UInt16, backlog: Int32 = 128) throws(SystemError) {
    self.init(adopting: try retrying("listen at TCP port", "\(port)") { thimble_listen_tcp(host, port, backlog) })
  }

  /// Takes over a Unix stream socket that the parent process listens at. Errors: it is something else (EINVAL).
  public init(listeningAtInherited descriptor: Int32) throws(SystemError) {
    _ = try retrying("listen at descriptor", "\(descriptor)") { thimble_adopt_listener(descriptor) }
    self.init(adopting: descriptor)
  }

  /// The path that it is bound to; nil where it has none.
  public var path: String? {
    var bytes = [CChar](repeating: 0, count: 109)
    guard thimble_socket_path(descriptor, &bytes, bytes.count) > 0 else { return nil }
    return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Of a socket that listens for TCP connections.
  public func listeningPort() throws(SystemError) -> UInt16 {
    UInt16(truncatingIfNeeded: try retrying("examine a socket") { thimble_listening_port(descriptor) })
  }

  /// `timeoutMilliseconds`: how long this and every later call may wait; 0: for ever.
  public init(connectingTo path: String, timeoutMilliseconds: Int32 = 0) throws(SystemError) {
    self.init(adopting: try retrying("connect to", path) { thimble_connect(path, timeoutMilliseconds) })
  }

  /// Connects without waiting. Errors: `wouldBlock` where somebody listens whose queue is full.
  public init(connectingAtOnceTo path: String) throws(SystemError) {
    self.init(adopting: try retrying("connect to", path) { thimble_connect_at_once(path) })
  }

  deinit { _ = thimble_close(descriptor) }

  /// The next waiting client, non-blocking; nil where there is none.
  public func accept() throws(SystemError) -> Socket? {
    let result = try nonBlocking("accept") { Int64(thimble_accept(descriptor)) }
    return result.map { Socket(adopting: Int32($0)) }
  }

  /// Bytes received; 0 at the peer's end, nil where nothing is there yet.
  public func receive(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int? {
    try nonBlocking("receive") { thimble_receive(descriptor, buffer.baseAddress!, buffer.count) }.map { Int($0) }
  }

  /// The same, with a file that the peer has passed along; what else it has passed is closed.
  public func receive(
    into buffer: UnsafeMutableRawBufferPointer, passed file: inout File?
  ) throws(SystemError) -> Int? {
    var descriptor: Int32 = -1
    let count = try nonBlocking("receive") {
      thimble_receive_passed(self.descriptor, buffer.baseAddress!, buffer.count, &descriptor)
    }
    if descriptor >= 0 { file = File(passed: descriptor) }
    return count.map { Int($0) }
  }

  /// The user who connected; nil where the kernel does not know, as of a client on another machine.
  public var peerUser: UInt32? {
    var connection = thimble_connection()
    if thimble_connection_of(descriptor, &connection) == 0 { return ConnectionOwner.user(of: connection) }
    return unixPeerUser
  }

  /// The same of a Unix socket alone: at once.
  public var unixPeerUser: UInt32? { UInt32(exactly: thimble_peer_user(descriptor)) }

  /// The groups of a Unix socket's peer, its own first.
  public var unixPeerGroups: [UInt32] {
    var groups = [UInt32](repeating: 0, count: 65)
    let count = thimble_peer_groups(descriptor, &groups, Int32(groups.count))
    return Array(groups.prefix(Int(max(0, count))))
  }

  /// Sends the parts in order; returns the bytes taken, nil where the peer's buffer is full.
  public func send(_ parts: [UnsafeRawBufferPointer]) throws(SystemError) -> Int? {
    let parts = parts.map { thimble_bytes(base: $0.baseAddress, count: $0.count) }
    return try nonBlocking("send") { thimble_send(descriptor, parts, parts.count) }.map { Int($0) }
  }

  /// The same, passing a file along with the first of the bytes.
  public func send(_ parts: [UnsafeRawBufferPointer], passing file: borrowing File) throws(SystemError) -> Int? {
    let (parts, passed) = (parts.map { thimble_bytes(base: $0.baseAddress, count: $0.count) }, file.descriptor)
    return try nonBlocking("send") { thimble_send_passing(descriptor, parts, parts.count, passed) }.map { Int($0) }
  }

  private func nonBlocking(_ operation: StaticString, _ call: () -> Int64) throws(SystemError) -> Int64? {
    do throws(SystemError) {
      return try retrying(operation, "", call)
    } catch {
      if error.code == SystemError.wouldBlock { return nil }
      throw error
    }
  }
}
