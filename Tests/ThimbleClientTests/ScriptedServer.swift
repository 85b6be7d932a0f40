import Synchronization
import System

/// Answers each request of a connection with the next text, whatever was asked; then closes.
final class ScriptedServer {
  let path: String
  private let thread: Thread

  private static let count = Atomic(0)

  /// `connections`: for each connection, the answers to its requests.
  init(_ connections: [[String]]) throws {
    path = "/tmp/thimble-client-\(Process.identifier)-\(Self.count.add(1, ordering: .relaxed).newValue)"
    try? FileSystem.remove(path)
    let path = path
    let isListening = Futex()
    thread = try Thread(stackByteCount: 1 << 20) {
      guard let listener = try? Socket(listeningAt: path) else { return }
      isListening.store(1)
      for answers in connections { ScriptedServer.serve(listener, answers) }
    }
    while isListening.load() == 0 { ScriptedServer.pause() }
  }

  deinit {
    thread.join()
    try? FileSystem.remove(path)
  }

  private static func serve(_ listener: borrowing Socket, _ answers: [String]) {
    while true {
      guard let client = try? listener.accept() else {
        pause()
        continue
      }
      for answer in answers {
        guard awaitRequest(client) else { return }
        let bytes = Array(answer.utf8)
        _ = bytes.withUnsafeBytes { try? client.send([$0]) }
      }
      return
    }
  }

  /// A request without a body, or one that comes in a single piece.
  private static func awaitRequest(_ client: borrowing Socket) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      guard let count = try? buffer.withUnsafeMutableBytes({ try client.receive(into: $0) }) else {
        pause()
        continue
      }
      return count > 0
    }
  }

  private static func pause() { Futex().wait(while: 0, timeoutNanoseconds: 1_000_000) }
}
