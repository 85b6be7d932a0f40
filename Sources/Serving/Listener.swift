import System

/// The socket that clients connect to, and its file.
final class Listener {
  let socket: Socket
  let path: String
  private let identity: (device: UInt64, inode: UInt64)

  /// Listens at `path`. A socket file that nobody answers at is replaced. Errors: somebody answers, or something else than
  /// a socket is there.
  init(path: String) throws(ServingError) {
    try Listener.makeWay(at: path)
    do throws(SystemError) {
      socket = try Socket(listeningAt: path)
      let status = try FileSystem.status(of: path)
      identity = (status.device, status.inode)
    } catch {
      throw error.code == SystemError.addressInUse ? .alreadyServing(path: path) : .system(error)
    }
    self.path = path
  }

  /// Removes the file of a server that is gone. Errors: as for `init`.
  static func makeWay(at path: String) throws(ServingError) {
    do throws(SystemError) {
      guard try FileSystem.status(of: path).isSocket else { throw SystemError("listen at", path, code: notSocket) }
      do throws(SystemError) {
        _ = try Socket(connectingTo: path)
        throw SystemError("listen at", path, code: SystemError.addressInUse)
      } catch {
        guard error.code == SystemError.connectionRefused else { throw error }
        try FileSystem.remove(path)
      }
    } catch {
      switch error.code {
      case SystemError.notFound: return
      case SystemError.addressInUse: throw .alreadyServing(path: path)
      case notSocket: throw .notASocket(path: path)
      default: throw .system(error)
      }
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
