import CNghttp2
import GRPC
import System

/// A client's connection: HTTP/2 by nghttp2, and the calls that are under way on it. It frames messages and knows nothing of
/// models; the gateway decides what becomes of them.
final class Client {
  let token: UInt64
  let socket: Socket
  let user: UInt32
  /// It outlives its clients.
  let gateway: Gateway
  var calls: [Int32: Call] = [:]
  var interest: EventPoll.Interest = .readable
  private(set) var lastActiveNanoseconds = Clock.nowNanoseconds
  /// Until when the client must have read more; no time while nothing waits to be sent.
  private(set) var sendDeadlineNanoseconds = Int64.max
  /// Calls to go on with: a message has come, or all that they had is sent.
  var ready: [Call] = []
  /// Whether the gateway knows that there may be something to do.
  var isNoted = false
  /// What the socket did not take.
  private var unsent: [UInt8] = []
  private var session: OpaquePointer?
  private(set) var isClosed = false

  /// Calls of one connection at once.
  static let callsMax = 64
  /// What a client may send of a call, and of all, before it is told that it may send more.
  static let callWindowByteCount = 256 << 10
  static let windowByteCount = 1 << 20
  static let frameByteCountMax = 64 << 10
  /// Bytes taken at once before others have their turn.
  private static let turnByteCountMax = 1 << 20

  init?(token: UInt64, socket: consuming Socket, user: UInt32, gateway: Gateway) {
    self.token = token
    self.socket = socket
    self.user = user
    self.gateway = gateway
    session = Client.makeSession(for: Unmanaged.passUnretained(self).toOpaque())
    guard session != nil else { return nil }
    let settings = [
      nghttp2_settings_entry(
        settings_id: Int32(bitPattern: NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue), value: UInt32(Client.callsMax)
      ),
      nghttp2_settings_entry(
        settings_id: Int32(bitPattern: NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
        value: UInt32(Client.callWindowByteCount)),
      nghttp2_settings_entry(
        settings_id: Int32(bitPattern: NGHTTP2_SETTINGS_MAX_FRAME_SIZE.rawValue),
        value: UInt32(Client.frameByteCountMax)),
      nghttp2_settings_entry(
        settings_id: Int32(bitPattern: NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue), value: 16 << 10),
    ]
    guard nghttp2_submit_settings(session, 0, settings, settings.count) == 0,
      nghttp2_session_set_local_window_size(session, 0, 0, Int32(Client.windowByteCount)) == 0
    else { return nil }
  }

  deinit { nghttp2_session_del(session) }

  var isIdle: Bool { calls.isEmpty && unsent.isEmpty }

  /// Nothing of it is used from now on; the calls are the gateway's to drop before.
  func close() {
    isClosed = true
    calls.removeAll()
    ready.removeAll()
  }

  // MARK: Receiving

  /// Takes what has come. Returns false where the connection is to be closed once what is to be sent is sent, or at once.
  func receive(_ space: UnsafeMutableRawBufferPointer) -> Bool {
    lastActiveNanoseconds = Clock.nowNanoseconds
    var turn = 0
    while turn < Client.turnByteCountMax {
      do throws(SystemError) {
        guard let count = try socket.receive(into: space) else { return true }
        guard count > 0 else { return false }
        turn += count
        guard nghttp2_session_mem_recv(session, space.baseAddress, count) == count else { return false }
        if count < space.count { return true }
      } catch {
        return false
      }
    }
    return true
  }

  /// The client may send so many bytes more of a call.
  func widen(_ streamID: Int32, _ byteCount: Int) {
    if byteCount > 0 { nghttp2_session_consume_stream(session, streamID, byteCount) }
  }

  func widen(_ byteCount: Int) { nghttp2_session_consume_connection(session, byteCount) }

  // MARK: Sending

  /// Sends what there is, through `scratch`. Errors: the connection is broken.
  func flush(_ scratch: UnsafeMutableRawBufferPointer) throws(SystemError) {
    while true {
      if !unsent.isEmpty {
        let count = try unsent.withUnsafeBufferPointer { (bytes) throws(SystemError) in
          try socket.send([UnsafeRawBufferPointer(bytes)])
        }
        unsent.removeFirst(count ?? 0)
        if (count ?? 0) > 0 { sendDeadlineNanoseconds = Clock.nowNanoseconds + gateway.options.patienceNanoseconds }
        guard unsent.isEmpty else { return }
      }
      sendDeadlineNanoseconds = Int64.max
      let filled = try fill(scratch)
      guard filled > 0 else { return }
      let bytes = UnsafeRawBufferPointer(rebasing: scratch[..<filled])
      let sent = try socket.send([bytes]) ?? 0
      lastActiveNanoseconds = Clock.nowNanoseconds
      guard sent < filled else { continue }
      unsent = Array(bytes[sent...])
      sendDeadlineNanoseconds = lastActiveNanoseconds + gateway.options.patienceNanoseconds
      gateway.note(due: sendDeadlineNanoseconds)
      return
    }
  }

  /// Frames, as many as fit; there is always room for one more than is looked for.
  private func fill(_ scratch: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int {
    var filled = 0
    while scratch.count - filled >= Client.sentFrameByteCountMax {
      var frame: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(session, &frame)
      guard count >= 0, count <= scratch.count - filled else {
        throw SystemError("send", code: SystemError.inputOutput)
      }
      guard count > 0, let frame else { break }
      UnsafeMutableRawBufferPointer(rebasing: scratch[filled...])
        .copyMemory(from: UnsafeRawBufferPointer(start: frame, count: count))
      filled += count
    }
    return filled
  }

  /// nghttp2 makes frames of at most 16 KiB, and their heads; headers are shorter here.
  private static let sentFrameByteCountMax = (16 << 10) + 512

  var hasUnsent: Bool { !unsent.isEmpty }

  /// Whether neither side has anything more to say.
  var isOver: Bool {
    nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0 && unsent.isEmpty
  }

  /// No more calls are taken; those under way go on.
  func goAway() {
    let last = nghttp2_session_get_last_proc_stream_id(session)
    nghttp2_submit_goaway(session, 0, last, NGHTTP2_NO_ERROR.rawValue, nil, 0)
  }

  func reset(_ call: Call, _ code: nghttp2_error_code) {
    nghttp2_submit_rst_stream(session, 0, call.streamID, code.rawValue)
  }

  // MARK: Answering

  /// Something is to be sent of a call: its answer's head first.
  func resume(_ call: Call) {
    if !call.outgoing.isEmpty {
      call.sendDeadlineNanoseconds = Clock.nowNanoseconds + gateway.options.patienceNanoseconds
      gateway.note(due: call.sendDeadlineNanoseconds)
    }
    guard !call.hasAnswered else {
      nghttp2_session_resume_data(session, call.streamID)
      return
    }
    call.hasAnswered = true
    if let ending = call.ending, call.outgoing.isEmpty {
      // All of it is one block of headers.
      _ = HeaderBlock.answer(ending).withFields { nghttp2_submit_response(session, call.streamID, $0, $1, nil) }
      return
    }
    var provider = nghttp2_data_provider()
    provider.read_callback = Client.readCallback
    _ = HeaderBlock.answer(nil).withFields { nghttp2_submit_response(session, call.streamID, $0, $1, &provider) }
  }

  /// The client speaks HTTP/2, but not gRPC.
  func refuse(_ call: Call, httpStatus: String) {
    call.hasAnswered = true
    var block = HeaderBlock()
    block.add(":status", httpStatus)
    _ = block.withFields { nghttp2_submit_response(session, call.streamID, $0, $1, nil) }
  }

  /// The next bytes of a call's answer, or its end.
  fileprivate func read(_ streamID: Int32, _ space: UnsafeMutableRawBufferPointer, _ flags: inout UInt32) -> Int {
    guard let call = calls[streamID] else { return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
    let count = call.outgoing.take(into: space)
    call.sendDeadlineNanoseconds =
      call.outgoing.isEmpty ? Int64.max : lastActiveNanoseconds + gateway.options.patienceNanoseconds
    guard call.outgoing.isEmpty else { return count }
    if let ending = call.ending {
      flags |= NGHTTP2_DATA_FLAG_EOF.rawValue | NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
      _ = HeaderBlock.ending(ending).withFields { nghttp2_submit_trailer(session, streamID, $0, $1) }
      return count
    }
    if count > 0 { ready.append(call) }
    return count > 0 ? count : Int(NGHTTP2_ERR_DEFERRED.rawValue)
  }

  private static let readCallback: nghttp2_data_source_read_callback = {
    _, streamID, buffer, length, flags, _, context in
    guard let context, let buffer, let flags else { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
    let client = Unmanaged<Client>.fromOpaque(context).takeUnretainedValue()
    return client.read(streamID, UnsafeMutableRawBufferPointer(start: buffer, count: length), &flags.pointee)
  }
}
