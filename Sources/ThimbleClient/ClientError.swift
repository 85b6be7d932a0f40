import Protocols
import System

/// Why a call to the daemon failed. `message` says what to do.
public enum ClientError: Error, Sendable {
  /// Nothing listens at the path.
  case noServer(path: String, SystemError)
  /// The connection broke, and a second attempt broke too.
  case disconnected(path: String, SystemError)
  /// The daemon refused: its status and its words.
  case refused(status: Int, message: String, retryAfterSeconds: Int?)
  /// The memory to share is not to be had.
  case memory(SystemError)
  /// What came back is not understood.
  case malformed(ProtocolError)
  /// An answer without something that it must have.
  case unexpected(String)

  public var message: String {
    switch self {
    case .noServer(let path, let error) where error.code == SystemError.timedOut,
      .disconnected(let path, let error) where error.code == SystemError.timedOut:
      "the daemon at \(path) does not answer in time"
    case .noServer(let path, let error):
      error.code == SystemError.notFound || error.code == SystemError.connectionRefused
        ? "no daemon listens at \(path): start one with `thimble serve --models DIR --socket \(path)`" : error.message
    case .disconnected(let path, let error):
      "the daemon at \(path) closed the connection (\(error.message)): it was stopped, or serves too many clients"
    case .refused(_, let message, let seconds):
      message + (seconds.map { " (in \($0) s)" } ?? "")
    case .memory(let error): "no memory to share: \(error.message)"
    case .malformed(let error): "the daemon's answer is not understood: \(error.message)"
    case .unexpected(let text): "the daemon's answer is not understood: \(text)"
    }
  }

  /// Whether the same call may succeed a little later.
  public var isTransient: Bool {
    if case .refused(let status, _, _) = self { status == 503 || status == 429 } else { false }
  }
}
