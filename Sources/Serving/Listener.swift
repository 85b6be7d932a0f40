import System

/// The sockets that clients connect to, and the file of the first.
final class Listener {
  private let socket: Socket
  /// For clients that know no Unix sockets.
  private let tcpSocket: Socket?
  let path: String
  /// Nil: the file is not this server's to remove.
  private let identity: (device: UInt64, inode: UInt64)?
  /// The claim to the path, given up with the listener.
  private let claim: File?

  /// Listens at `path`, which `claim` holds, and at the TCP address, if any.
  init(path: String, claim: consuming File, tcpAddress: TCPAddress?) throws(ServingError) {
    self.claim = consume claim
    do throws(SystemError) {
      // First, since it leaves no file behind where the other fails.
      tcpSocket = try tcpAddress.map { (address) throws(SystemError) in
        try Socket(listeningAtHost: address.host, port: address.port)
      }
    } catch {
      throw .system(error)
    }
    do throws(SystemError) {
      socket = try Socket(listeningAt: path)
      let status = try FileSystem.status(of: path)
      identity = (status.device, status.inode)
    } catch {
      throw error.code == SystemError.addressInUse ? .alreadyServing(path: path) : .system(error)
    }
    self.path = path
  }

  /// Takes over a socket that the parent process listens at, and goes on doing so.
  init(inherited descriptor: Int32, tcpAddress: TCPAddress?) throws(ServingError) {
    do throws(SystemError) {
      tcpSocket = try tcpAddress.map { (address) throws(SystemError) in
        try Socket(listeningAtHost: address.host, port: address.port)
      }
      socket = try Socket(listeningAtInherited: descriptor)
    } catch {
      throw error.code == Listener.notValid ? .notAListener(descriptor: descriptor) : .system(error)
    }
    path = socket.path ?? "descriptor \(descriptor)"
    identity = nil
    claim = nil
  }

  /// The next client that waits.
  func accept() throws(SystemError) -> Socket? {
    if let client = try socket.accept() { return client }
    switch tcpSocket {
    case .some(let socket): return try socket.accept()
    case .none: return nil
    }
  }

  func watch(_ poll: borrowing EventPoll, token: UInt64) throws(SystemError) {
    for descriptor in descriptors { try poll.add(descriptor, .readable, token: token) }
  }

  func unwatch(_ poll: borrowing EventPoll) { for descriptor in descriptors { poll.remove(descriptor) } }

  private var descriptors: [Int32] {
    switch tcpSocket {
    case .some(let tcp): [socket.descriptor, tcp.descriptor]
    case .none: [socket.descriptor]
    }
  }

  /// The TCP port; nil where there is none.
  var tcpPort: UInt16? {
    switch tcpSocket {
    case .some(let tcp): try? tcp.listeningPort()
    case .none: nil
    }
  }

  /// Makes `path` this process's to listen at, as long as the file returned stays open: `PATH.lock`, locked. A socket file
  /// that nobody answers at is removed. Errors: somebody serves there, or something else than a socket is there.
  ///
  /// The lock file stays behind. Were it removed, a start that had opened it before could lock the nameless file while
  /// another locked a new one, and both would hold the path.
  static func claim(_ path: String) throws(ServingError) -> File {
    do throws(SystemError) {
      _ = try isSocket(path)
      let claim = try File(locking: path + ".lock")
      if try isSocket(path) {
        do throws(SystemError) {
          _ = try Socket(connectingAtOnceTo: path)
          throw SystemError("listen at", path, code: SystemError.addressInUse)
        } catch {
          guard error.code == SystemError.connectionRefused else { throw error }
          try FileSystem.remove(path)
        }
      }
      return claim
    } catch {
      switch error.code {
      // The lock is held, somebody answers, or somebody's queue is full.
      case SystemError.wouldBlock, SystemError.addressInUse: throw .alreadyServing(path: path)
      case notSocket: throw .notASocket(path: path)
      default: throw .system(error)
      }
    }
  }

  /// Whether the path is there. Errors: it is no socket.
  private static func isSocket(_ path: String) throws(SystemError) -> Bool {
    do throws(SystemError) {
      guard try FileSystem.status(of: path).isSocket else { throw SystemError("listen at", path, code: notSocket) }
      return true
    } catch {
      guard error.isNotFound else { throw error }
      return false
    }
  }

  /// EINVAL
  private static let notValid: Int32 = 22
  /// ENOTSOCK
  private static let notSocket: Int32 = 88

  /// Removes the file, unless it is another server's by now.
  func removeFile() {
    guard let identity, let status = try? FileSystem.status(of: path), (status.device, status.inode) == identity else {
      return
    }
    try? FileSystem.remove(path)
  }
}
