import GRPC
import Protocols

/// Messages of gRPC, and the daemon's answers to what became of them.
enum CallTargets {
  /// The first byte says which call it is; the rest is its message.
  static func call(_ bytes: UnsafeRawBufferPointer) {
    guard let first = bytes.first else { return }
    let message = UnsafeRawBufferPointer(rebasing: bytes[1...])
    let method = CallMethod.allCases[Int(first) % CallMethod.allCases.count]
    do throws(CallError) {
      let isInference = method == .infer || method == .streamInfer
      let call =
        isInference
        ? try HTTPCall(inference: message, isStream: method.isStream, typedBytesMax: 1 << 16)
        : try HTTPCall(method, message)
      var body: [UInt8] = []
      for part in call.body {
        switch part {
        case .bytes(let bytes): body += bytes
        case .original(let range): body += message[range]
        }
      }
      precondition(body.count == call.bodyByteCount && body.count <= message.count * 8 + (1 << 17))
      var head: [UInt8] = []
      HTTPClientRequestHead(method: call.method, path: call.path, contentLength: body.count).write(to: &head)
      guard isInference else { return }
      body.withUnsafeBytes { body in
        Fuzzer.keep(try? InferenceRequest(parsing: body, headerContentLength: call.headerContentLength).inputs.count)
        // Whatever was asked, what frames the tensors is this program's.
        let json = UnsafeRawBufferPointer(rebasing: body[..<(call.headerContentLength ?? 0)])
        precondition((try? JSON(parsing: json)) != nil, "what the daemon gets is no JSON")
      }
    } catch {
      precondition(!error.message.isEmpty && error.headerText.count <= 6 << 10)
    }
  }

  /// The first byte says to which call it is the answer, the second how long its JSON is.
  static func answer(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 2 else { return }
    let body = UnsafeRawBufferPointer(rebasing: bytes[2...])
    let method = CallMethod.allCases[Int(bytes[0]) % CallMethod.allCases.count]
    let length = bytes[1] == 0 ? nil : Int(bytes[1])
    for status in [200, 503] {
      do throws(CallError) {
        let answer: CallAnswer
        switch method {
        case .infer: answer = try CallAnswer(inference: body, httpStatus: status, headerContentLength: length)
        case .streamInfer: answer = try CallAnswer(event: body).inStream()
        default: answer = try CallAnswer(method, body: body, httpStatus: status)
        }
        for case .original(let range) in answer.parts { precondition(range.upperBound <= body.count) }
      } catch {
        precondition(!error.message.isEmpty)
      }
    }
  }
}
