import Glibc
import Protocols
import System

@testable import ThimbleClient

/// What a daemon, or whoever has its socket, answers to the client library.
enum ReplyTargets {
  /// An answer with its head. One in sixteen goes through a real socket.
  static func reply(_ bytes: UnsafeRawBufferPointer) {
    if bytes.count % 16 == 3 { exchange(bytes) }
    var parser = HTTPResponseParser(limits: HTTPLimits(headBytesMax: 4096, bodyBytesMax: 1 << 20))
    do throws(ProtocolError) {
      guard case .head(let head, let consumed) = try parser.parse(bytes, answersHead: false) else { return }
      var decoder = try HTTPBodyDecoder(head.body, limits: HTTPLimits(headBytesMax: 4096, bodyBytesMax: 1 << 20))
      var body: [UInt8] = []
      var start = consumed
      while !decoder.isComplete, start < bytes.count {
        let received = UnsafeRawBufferPointer(rebasing: bytes[start...])
        switch try decoder.next(received) {
        case .needMore(let consumed): start += consumed
        case .end(let consumed): start += consumed
        case .payload(let range, let consumed):
          body.append(contentsOf: received[range])
          start += consumed
        }
      }
      read(ClientConnection.Reply(head: head, body: body))
    } catch {
      precondition(!error.message.isEmpty)
    }
  }

  private static func read(_ reply: ClientConnection.Reply) {
    if let result = try? ClientResult(reply) {
      for case .tensor(let tensor) in result.outputs where tensor.shared == nil {
        precondition(tensor.bytes.count == tensor.shape.elementCount * tensor.elementType.byteCount)
      }
    }
    guard let document = try? ThimbleClient.document(reply.body) else { return }
    if let model = try? ClientModel(document) {
      for port in model.inputs + model.outputs { Fuzzer.keep(port.byteCount) }
    }
    Fuzzer.keep(try? ClientResidents(document))
  }

  private static let path = "/tmp/thimble-fuzz-\(getpid())"
  private static let listener: Socket = {
    unlink(path)
    return try! Socket(listeningAt: path)
  }()

  private static func exchange(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count < 32 << 10 else { return }
    let listening = listener.descriptor
    precondition(listening >= 0)
    guard var connection = try? ClientConnection(path: path, timeoutMilliseconds: 5000),
      let peer = (try? listener.accept()) ?? nil
    else { return }
    _ = try? peer.send([bytes])
    shutdown(peer.descriptor, CInt(SHUT_WR))
    let head = HTTPClientRequestHead(method: .get, path: ["v2"])
    do throws(ClientConnection.Failure) {
      read(try connection.exchange(head, body: []))
    } catch {}
  }
}
