import CNghttp2
import GRPC

/// What nghttp2 tells of a connection.
extension Client {
  /// Nil where the library has no memory.
  static func makeSession(for context: UnsafeMutableRawPointer) -> OpaquePointer? {
    var callbacks: OpaquePointer?
    var option: OpaquePointer?
    guard nghttp2_session_callbacks_new(&callbacks) == 0, nghttp2_option_new(&option) == 0 else { return nil }
    // Bytes are accounted for by whoever keeps them.
    nghttp2_option_set_no_auto_window_update(option, 1)
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, context in
      guard let frame, let client = Client.of(context) else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
      if frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST { client.beginCall(frame.pointee.hd.stream_id) }
      return 0
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks) {
      _, frame, name, nameCount, value, valueCount, _, context in
      guard let frame, let client = Client.of(context) else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
      if frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST {
        client.calls[frame.pointee.hd.stream_id]?.take(
          header: UnsafeRawBufferPointer(start: name, count: nameCount),
          UnsafeRawBufferPointer(start: value, count: valueCount))
      }
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, context in
      guard let frame, let client = Client.of(context) else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
      client.received(frame.pointee)
      return 0
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, streamID, data, count, context in
      guard let client = Client.of(context) else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
      client.received(UnsafeRawBufferPointer(start: data, count: count), of: streamID)
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, context in
      guard let frame, let client = Client.of(context) else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
      client.sent(frame.pointee)
      return 0
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, streamID, _, context in
      guard let client = Client.of(context) else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
      if let call = client.calls.removeValue(forKey: streamID) { client.gateway.drop(call) }
      return 0
    }
    var session: OpaquePointer?
    let result = nghttp2_session_server_new2(&session, callbacks, context, option)
    nghttp2_session_callbacks_del(callbacks)
    nghttp2_option_del(option)
    return result == 0 ? session : nil
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> Client? {
    guard let context else { return nil }
    return Unmanaged<Client>.fromOpaque(context).takeUnretainedValue()
  }

  private func beginCall(_ streamID: Int32) { calls[streamID] = Call(self, streamID) }

  private func received(_ frame: nghttp2_frame) {
    let type = UInt32(frame.hd.type)
    let isHeaders = type == NGHTTP2_HEADERS.rawValue
    guard isHeaders || type == NGHTTP2_DATA.rawValue, let call = calls[frame.hd.stream_id] else { return }
    if isHeaders, frame.headers.cat == NGHTTP2_HCAT_REQUEST { gateway.begin(call) }
    if UInt32(frame.hd.flags) & NGHTTP2_FLAG_END_STREAM.rawValue != 0 {
      call.hasEnded = true
      if !call.isOver { gateway.ended(call) }
    }
  }

  private func received(_ bytes: UnsafeRawBufferPointer, of streamID: Int32) {
    // They are kept where a message is put together, or not at all.
    widen(bytes.count)
    guard let call = calls[streamID], !call.isOver else { return }
    gateway.take(bytes, call)
    guard !call.isOver else { return }
    if call.messages.isEmpty { widen(streamID, bytes.count) } else { call.heldWindowByteCount += bytes.count }
  }

  /// An answer may be over before its call is: then nobody is to go on sending it.
  private func sent(_ frame: nghttp2_frame) {
    guard UInt32(frame.hd.type) == NGHTTP2_HEADERS.rawValue,
      UInt32(frame.hd.flags) & NGHTTP2_FLAG_END_STREAM.rawValue != 0, let call = calls[frame.hd.stream_id],
      !call.hasEnded
    else { return }
    reset(call, NGHTTP2_NO_ERROR)
  }
}

extension Call {
  /// A field of the head; unknown ones are passed over.
  fileprivate func take(header name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    func isNamed(_ other: StaticString) -> Bool {
      name.count == other.utf8CodeUnitCount
        && name.elementsEqual(UnsafeRawBufferPointer(start: other.utf8Start, count: name.count))
    }
    if isNamed(":path") {
      path = String(decoding: value, as: UTF8.self)
    } else if isNamed(":method") {
      isPost = value.elementsEqual("POST".utf8)
    } else if isNamed("content-type") {
      hasContentType = value.starts(with: "application/grpc".utf8)
    } else if isNamed("grpc-encoding") {
      isCompressed = !value.elementsEqual("identity".utf8)
    } else if isNamed("grpc-timeout") {
      timeoutNanoseconds = CallTimeout.nanoseconds(value)
      hasBadTimeout = timeoutNanoseconds == nil
    } else if isNamed("thimble-routing-key") {
      routingKey = String(decoding: value.prefix(256), as: UTF8.self)
    }
  }
}
