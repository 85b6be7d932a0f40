import System

/// The socket that clients connect to, and its file.
final class Listener {
  let socket: Socket
  let path: String
  private let identity: (device: UInt64, inode: UInt64)
  /// The claim to the path, given up with the listener.
  private let claim: File

  /// Listens at `path`, which `claim` holds.
  init(path: String, claim: consuming File) throws(ServingError) {
    self.claim = claim
    do throws(SystemError) {
      socket = try Socket(listeningAt: path)
      let status = try FileSystem.status(of: path)
      identity = (status.device, status.inode)
    } catch {
      throw error.code == SystemError.addressInUse ? .alreadyServing(path: path) : .system(error)
    }
    self.path = path
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

  /// ENOTSOCK
  private static let notSocket: Int32 = 88

  /// Removes the file, unless it is another server's by now.
  func removeFile() {
    guard let status = try? FileSystem.status(of: path), (status.device, status.inode) == identity else { return }
    try? FileSystem.remove(path)
  }
}
